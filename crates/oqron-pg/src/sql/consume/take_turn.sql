/* oqron:consume:take_turn
   Notes the request, ends attempts that completed, makes ready what is due, and claims. See the function for its invariants.
   $1 topic  $2 worker  $3 request  $4 to $7 completed attempts in the order of their ids, as arrays: ids, tokens, results,
   formats of results; or null, if they were settled before in this transaction
   $8 jobs at most, null: no claim  $9 lease in ms  $10 at most once  $11 max stalls
   $12 to $14 ranges of the index of added jobs  $15 key of the worker's presence, or null
   $16 no lease ends before it  $17 no scheduled job starts before it  $18 whether to look what is due next
   $19 jobs at most that become ready, of each kind
   Returns one row without an id for the whole, and one for each lease. */
select * from oqron.take_turn($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
