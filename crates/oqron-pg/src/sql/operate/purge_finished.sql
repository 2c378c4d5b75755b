/* oqron:operate:purge_finished
   Removes jobs in one finished state, the oldest first; their ids stay until the end of their window. Bounded.
   $1 topic  $2 state  $3 jobs at most
   Returns how many. */
with clock as materialized (
    select oqron.now_ms() as now
), target as materialized (
    select id from oqron.finished where topic = $1 and state = $2
    order by finished_at, seq limit $3 for update skip locked
), removed as (
    delete from oqron.finished f using target t where f.topic = $1 and f.id = t.id
    returning f.topic, f.id, f.created_at, f.id_window_ms, f.token, f.worker, f.settled
), --include remember
select count(*) as jobs from removed
