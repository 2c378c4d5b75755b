/* oqron:consume:ready
   Before a claim: scheduled jobs whose time has come become waiting, expired leases are reclaimed. Bounded.
   $1 topic  $2 worker  $3 request  $4 jobs at most, of each kind
   $5 no lease ends before it  $6 no scheduled job starts before it: marks of the last call, 0 to look at all
   Returns one row: the time that it went by, and whether there may be more.
   Invariant: a lease is taken from its worker only while it is expired under the row's lock. */
with clock as materialized (
    select oqron.now_ms() as now
), allowed as materialized (
    select case when exists (select from oqron.topics where id = $1 and paused)
                  or not exists (select from oqron.turns where topic = $1 and worker = $2 and request = $3
                                 and xid = pg_current_xact_id())
                then 0 else $4 end as jobs
), due as materialized (
    select id from oqron.jobs
    where topic = $1 and state = 0 and run_at >= $6 and run_at <= (select now from clock)
    order by run_at
    limit (select jobs from allowed)
    for update skip locked
), promoted as (
    update oqron.jobs j set state = 1, lane = 1 from due where j.topic = $1 and j.id = due.id and j.state = 0
    returning j.id
), expired as materialized (
    select id, stalls, max_stalls, at_most_once, cancel_requested,
           case when at_most_once then 4
                when cancel_requested then 5
                when stalls + 1 > coalesce(max_stalls, 0) then 4 end::smallint as ends_as
    from oqron.jobs
    where topic = $1 and state = 2 and lease_until >= $5 and lease_until <= (select now from clock)
    order by lease_until
    limit (select jobs from allowed)
    for update skip locked
), gone as (
    delete from oqron.jobs j using expired e, clock c
    where j.topic = $1 and j.id = e.id and e.ends_as is not null
    returning j.seq, j.created_at, j.run_at, j.started_at, c.now as finished_at, j.token, j.retain_ms, j.retain_count,
              j.id_window_ms, j.topic, j.priority,
              j.attempts, case when e.at_most_once or e.ends_as = 5 then j.stalls else j.stalls + 1 end as stalls,
              e.ends_as as state, j.payload_format, null::integer as result_format, j.cancel_requested,
              false as settled, j.id, j.worker, j.extras, j.progress,
              case when e.ends_as = 5 then j.error
                   when e.at_most_once then '{"kind":"worker_lost","message":"worker lost"}'
                   else '{"kind":"stalled","message":"stalled ' || (j.stalls + 1) || ' times"}' end as error,
              j.logs,
              oqron.newest(j.timeline,
                  case when e.at_most_once then array[oqron.event(c.now, 'failed', j.worker, '"worker lost"')]
                       when e.ends_as = 5 then array[oqron.event(c.now, 'cancelled', j.worker, '"cancelled on request"')]
                       else array[oqron.event(c.now, 'stalled', j.worker, '"lease expired"'),
                                  oqron.event(c.now, 'failed', j.worker, '"stalled ' || (j.stalls + 1) || ' times"')]
                  end, 50) as timeline,
              j.payload, null::bytea as result
), --include end
, reclaimed as (
    update oqron.jobs j
    set state = 1, lane = 0, attempts = greatest(j.attempts - 1, 0), stalls = j.stalls + 1, lease_until = null,
        settled = false,
        timeline = oqron.newest(j.timeline, array[oqron.event(c.now, 'stalled', j.worker, '"lease expired"')], 50)
    from expired e, clock c
    where j.topic = $1 and j.id = e.id and e.ends_as is null
    returning j.id
)
select c.now, (select count(*) from expired) >= $4 as more_expired, (select count(*) from due) >= $4 as more_due
from clock c
