/* oqron:operate:discard
   Removes finished jobs; their ids stay until the end of their window.
   $1 topic  $2 job ids
   Returns a row with `done` for each that it was done to, and rows with the state that each job had before. */
with clock as materialized (
    select oqron.now_ms() as now
), target as materialized (
    select f.id from oqron.finished f join (select distinct id from unnest($2::text[]) u(id)) g on f.id = g.id
    where f.topic = $1
    order by f.id
    for update of f
), removed as (
    delete from oqron.finished f using target t where f.topic = $1 and f.id = t.id
    returning f.topic, f.id, f.created_at, f.id_window_ms, f.token, f.worker, f.settled
), --include remember
select id, true as done, null::smallint as state from removed
union all
select r.id, false, r.state from unnest($2::text[]) g(id) join oqron.records r on r.topic = $1 and r.id = g.id
