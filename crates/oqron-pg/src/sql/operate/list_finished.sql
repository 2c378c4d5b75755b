/* oqron:operate:list_finished
   A page of jobs in one finished state, newest first.
   $1 topic  $2 limit  $3 $4 before this end, age  $5 the state
   Returns rows of `records` with the place of each in the order: a, b, c. */
select r.*, r.finished_at as a, r.seq as b, $5::bigint as c
from (
    select id from oqron.finished
    where topic = $1 and state = $5 and (finished_at, seq) < ($3, $4)
    order by finished_at desc, seq desc limit $2
) f join oqron.records r on r.topic = $1 and r.id = f.id and r.state = $5
order by a desc, b desc
