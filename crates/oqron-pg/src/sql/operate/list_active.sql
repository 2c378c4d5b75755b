/* oqron:operate:list_active
   A page of active jobs by their start.
   $1 topic  $2 limit  $3 $4 $5 after this start, age (and 0)
   Returns rows of `records` with the place of each in the order: a, b, c. */
select r.*, r.started_at as a, r.seq as b, 0::bigint as c
from (
    select id from oqron.jobs where topic = $1 and state = 2 and (started_at, seq, 0::bigint) > ($3, $4, $5)
    order by started_at, seq limit $2
) j join oqron.records r on r.topic = $1 and r.id = j.id and r.state = 2
order by a, b
