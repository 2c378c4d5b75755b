/* oqron:records:find
   One record, wherever it is.
   $1 topic  $2 job id
   Returns one row of `records`, or none. One snapshot: a job that moves between the tables is seen in exactly one. */
select r.* from oqron.records r where r.topic = $1 and r.id = $2
