-- Part of the statements that take leases from their workers. Takes the jobs, locked, from `stalled`, with the reason as
-- JSON, and the time from `clock`. Each goes back to waiting in the lane that is claimed first, or ends: as failed where it
-- may not run again or has stalled too often, as cancelled where somebody asked for it.
doomed as materialized (
    select s.*, case when at_most_once then 4
                     when cancel_requested then 5
                     when stalls_now > coalesce(max_stalls, 0) then 4 end::smallint as ends_as
    from (select *, least(stalls, 2147483646) + 1 as stalls_now from stalled) s
), gone as (
    delete from oqron.jobs j using doomed d, clock c
    where j.topic = d.topic and j.id = d.id and d.ends_as is not null
    returning j.seq, j.created_at, j.run_at, j.started_at, c.now as finished_at, j.token, j.retain_ms, j.retain_count,
              j.id_window_ms, j.topic, j.priority,
              j.attempts, case when d.at_most_once or d.ends_as = 5 then j.stalls else d.stalls_now end as stalls,
              d.ends_as as state, j.payload_format, null::integer as result_format, j.cancel_requested,
              false as settled, j.id, j.worker, j.extras, j.progress,
              case when d.ends_as = 5 then j.error
                   when d.at_most_once then '{"kind":"worker_lost","message":"worker lost"}'
                   else '{"kind":"stalled","message":"stalled ' || d.stalls_now || ' times"}' end as error,
              j.logs,
              oqron.newest(j.timeline,
                  case when d.at_most_once then array[oqron.event(c.now, 'failed', j.worker, '"worker lost"')]
                       when d.ends_as = 5 then array[oqron.event(c.now, 'cancelled', j.worker, '"cancelled on request"')]
                       else array[oqron.event(c.now, 'stalled', j.worker, d.reason),
                                  oqron.event(c.now, 'failed', j.worker, '"stalled ' || d.stalls_now || ' times"')]
                  end, 50) as timeline,
              j.payload, null::bytea as result
), --include end
, back as (
    update oqron.jobs j
    set state = 1, lane = 0, attempts = greatest(j.attempts - 1, 0), stalls = d.stalls_now, lease_until = null,
        settled = false,
        timeline = oqron.newest(j.timeline, array[oqron.event(c.now, 'stalled', j.worker, d.reason)], 50)
    from doomed d, clock c
    where j.topic = d.topic and j.id = d.id and d.ends_as is null
    returning j.topic, j.id
)
