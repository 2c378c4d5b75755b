/* oqron:publish:add_one
   Adds one job in this transaction, which commits at once. See the function for its invariant.
   $1 topic  $2 id  $3 payload  $4 format  $5 priority  $6 delay in ms  $7 time  $8 retention in ms  $9 retention by number
   $10 id window in ms  $11 extras  $12 whether the topic may have had no job before
   Returns one row: the ids that are new, or null if all are. */
select case when not oqron.add_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) then '{}'::text[] end as made
