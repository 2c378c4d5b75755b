/* oqron:records:cancel
   Ends a job that is not active; flags one that is and tells its worker.
   $1 topic  $2 job id  $3 namespace
   Returns one row: outcome 0 cancelled, 1 requested, 2 had ended in `state`, 3 not found. A job that is just moving to
   `finished` looks like not found; the caller asks again, with a newer snapshot.
   Invariant: a job that is not active leaves `jobs` for `finished` in this one statement. */
with clock as materialized (
    select oqron.now_ms() as now
), target as materialized (
    select j.id, j.state, j.worker, j.cancel_requested from oqron.jobs j where j.topic = $1 and j.id = $2 for update
), gone as (
    delete from oqron.jobs j using target t, clock c
    where j.topic = $1 and j.id = t.id and t.state <> 2
    returning j.seq, j.created_at, j.run_at, j.started_at, c.now as finished_at, j.token, j.retain_ms, j.retain_count,
              j.id_window_ms, j.topic, j.priority, j.attempts, j.stalls, 5::smallint as state, j.payload_format,
              null::integer as result_format, j.cancel_requested, j.settled, j.id, j.worker, j.extras, j.progress,
              j.error, j.logs,
              oqron.newest(j.timeline, array[oqron.event(c.now, 'cancelled', null, '"cancelled on request"')], 50) as timeline,
              j.payload, null::bytea as result
), --include end
, flagged as (
    update oqron.jobs j
    set cancel_requested = true,
        timeline = oqron.newest(j.timeline, array[oqron.event(c.now, 'cancel_requested', j.worker, null)], 50)
    from target t, clock c
    where j.topic = $1 and j.id = t.id and t.state = 2 and not t.cancel_requested
    returning j.id
), sent as materialized (
    select pg_notify(oqron.channel(oqron.presence_key($3, t.worker)), 'c:' || $1 || ':' || t.id)
    from target t where t.state = 2
)
select case when t.state <> 2 then 0 when t.state = 2 then 1 when f.state is not null then 2 else 3 end as outcome,
       coalesce(f.state, 0::smallint) as state, (select count(*) from sent) as sent
from (select 1) one
left join target t on true
left join (select state from oqron.finished where topic = $1 and id = $2) f on true
