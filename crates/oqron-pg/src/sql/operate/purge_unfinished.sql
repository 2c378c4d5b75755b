/* oqron:operate:purge_unfinished
   Removes scheduled or waiting jobs, the oldest first; their ids stay until the end of their window. Bounded.
   $1 topic  $2 state  $3 jobs at most
   Returns how many. */
with clock as materialized (
    select oqron.now_ms() as now
), target as materialized (
    select id from oqron.jobs where topic = $1 and state = $2 and state in (0, 1)
    order by seq limit $3 for update skip locked
), removed as (
    delete from oqron.jobs j using target t where j.topic = $1 and j.id = t.id
    returning j.topic, j.id, j.created_at, j.id_window_ms, j.token, j.worker, j.settled
), --include remember
, told as (
    delete from oqron.watchers w using removed r where w.topic = r.topic and w.id = r.id
    returning pg_notify(w.channel, 'f:' || w.topic || ':' || w.id)
)
select count(*) as jobs from removed
