/* oqron:publish:add_many
   Adds jobs whose ids ascend in this transaction, which commits at once: all or none. See the function for its invariant.
   $1 topic  $2 ids  $3 payloads  $4 formats  $5 priorities  $6 delays in ms  $7 times  $8 retention in ms
   $9 retention by number  $10 id windows in ms  $11 extras  $12 whether the topic may have had no job before
   Returns one row: the ids that are new, or null if all are. */
select oqron.add_many($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) as made
