/* oqron:operate:list_waiting
   A page of waiting jobs in the order of claims.
   $1 topic  $2 limit  $3 $4 $5 after this lane (0 stalled, 1 others), priority, age
   Returns rows of `records` with the place of each in the order: a, b, c. */
select r.*, (j.lane <> 0)::integer::bigint as a, j.priority::bigint as b, j.seq as c
from (
    select id, lane, priority, seq from oqron.jobs
    where topic = $1 and state = 1 and ((lane <> 0)::integer::bigint, priority::bigint, seq) > ($3, $4, $5)
    order by lane <> 0, priority, seq
    limit $2
) j join oqron.records r on r.topic = $1 and r.id = j.id and r.state = 1
order by a, b, c
