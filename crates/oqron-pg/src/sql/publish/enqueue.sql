/* oqron:publish:enqueue
   Adds jobs: all or none, in one transaction. See the function for its invariant.
   $1 topic  $2 ids  $3 payloads  $4 formats  $5 priorities  $6 delays in ms  $7 times  $8 retention in ms
   $9 retention by number  $10 id windows in ms  $11 extras  $12 lane  $13 wake when the transaction commits
   Returns one row: the ids that are new. */
select oqron.enqueue_jobs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) as made
