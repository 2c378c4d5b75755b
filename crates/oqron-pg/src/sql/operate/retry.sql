/* oqron:operate:retry
   Puts dead letters and cancelled jobs back to waiting, with attempts and stalls at zero.
   $1 topic  $2 job ids
   Returns a row with `done` for each that it was done to, and rows with the state that each job had before.
   Invariant: a row moves from `finished` to `jobs` in this one statement. */
with clock as materialized (
    select oqron.now_ms() as now
), target as materialized (
    -- One by one: in a join that is sorted, the planner would rather walk over the whole topic than sort.
    select l.id from (select distinct u.id collate "C" as id from unnest($2::text[]) u(id) order by 1) g
    cross join lateral (
        select f.id from oqron.finished f where f.topic = $1 and f.id = g.id and f.state in (4, 5) for update
    ) l
), gone as (
    delete from oqron.finished f using target t where f.topic = $1 and f.id = t.id
    returning f.*
), back as (
    insert into oqron.jobs (seq, created_at, run_at, started_at, token, retain_ms, retain_count, id_window_ms, topic,
                            priority, state, lane, payload_format, settled, id, worker, extras, progress, logs, timeline,
                            payload)
    select g.seq, g.created_at, g.run_at, g.started_at, g.token, g.retain_ms, g.retain_count, g.id_window_ms, g.topic,
           g.priority, 1, 1, g.payload_format, g.settled, g.id, g.worker, g.extras, g.progress, g.logs,
           oqron.newest(g.timeline, array[oqron.event(c.now, 'retried_by_operator', null, null)], 50), g.payload
    from gone g, clock c
    order by g.id
    returning id
)
select id, true as done, null::smallint as state from back
union all
select r.id, false, r.state from unnest($2::text[]) g(id) join oqron.records r on r.topic = $1 and r.id = g.id
