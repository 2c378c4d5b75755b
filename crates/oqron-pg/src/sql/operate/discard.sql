/* oqron:operate:discard
   Removes finished jobs; their ids stay until the end of their window.
   $1 topic  $2 job ids
   Returns a row with `done` for each that it was done to, and rows with the state that each job had before. */
with clock as materialized (
    select oqron.now_ms() as now
), target as materialized (
    -- One by one: in a join that is sorted, the planner would rather walk over the whole topic than sort.
    select l.id from (select distinct u.id collate "C" as id from unnest($2::text[]) u(id) order by 1) g
    cross join lateral (
        select f.id from oqron.finished f where f.topic = $1 and f.id = g.id for update
    ) l
), removed as (
    delete from oqron.finished f using target t where f.topic = $1 and f.id = t.id
    returning f.topic, f.id, f.created_at, f.id_window_ms, f.token, f.worker, f.settled
), --include remember
select id, true as done, null::smallint as state from removed
union all
select r.id, false, r.state from unnest($2::text[]) g(id) join oqron.records r on r.topic = $1 and r.id = g.id
