/* oqron:consume:settle
   Ends attempts, each checked against its token and worker.
   $1 topic  $2 worker  and arrays, one element a settlement:
   $3 job ids  $4 tokens  $5 outcomes (0 complete, 1 retry, 2 fail, 3 snooze, 4 release, 5 cancel)  $6 delays in ms
   $7 results  $8 formats of results  $9 errors (JSON)  $10 reasons (JSON)  $11 progress (JSON)  $12 log lines (JSON), joined
   by newlines  $13 request
   Returns rows of: place in the arrays, from 1; whether it is accepted; whether the job went back to waiting. A place can
   stand in two rows that both say accepted.
   Invariant: a row changes only under the token and worker of its current lease, and is found by its primary key only: what
   could lead the planner to another index on an empty table, whose plan stays when it is full, is written so that it cannot:
   topics come from rows, and states are compared in a way that no partial index answers. */
with clock as materialized (
    select oqron.now_ms() as now
), request as materialized (
    select not exists (select from oqron.turns where topic = $1 and worker = $2 and request = $13
                       and xid = pg_current_xact_id()) as repeated
), given as materialized (
    select * from unnest($3::text[], $4::bigint[], $5::smallint[], $6::bigint[], $7::bytea[], $8::integer[], $9::text[],
                         $10::text[], $11::text[], $12::text[])
        with ordinality as g(id, token, outcome, delay, result, result_format, error, reason, progress, logs, ord)
    -- Locked in the order of ids, as a heartbeat does.
    order by id collate "C"
), held as materialized (
    select g.*, l.topic,
           case when g.outcome = 0 then 3 when g.outcome = 2 then 4 when g.outcome = 5 or l.cancel_requested then 5
           end::smallint as ends_as
    from given g cross join lateral (
        -- One by one: in a join that is sorted, the planner would rather walk over all jobs of the topic than sort.
        select j.topic, j.cancel_requested from oqron.jobs j
        where j.topic = $1 and j.id = g.id and j.state + 0 = 2 and j.token = g.token and j.worker = $2
          and not (select repeated from request)
        for update
    ) l
), gone as (
    delete from oqron.jobs j using held h, clock c
    where j.topic = h.topic and j.id = h.id and h.ends_as is not null
    returning j.seq, j.created_at, j.run_at, j.started_at, c.now as finished_at, j.token, j.retain_ms, j.retain_count,
              j.id_window_ms, j.topic, j.priority,
              j.attempts, j.stalls,
              h.ends_as as state, j.payload_format, h.result_format, j.cancel_requested, true as settled, j.id, j.worker,
              j.extras, coalesce(h.progress, j.progress) as progress,
              case when h.outcome = 2 then h.error else j.error end as error,
              case when h.logs is null then j.logs
                   else oqron.newest(j.logs, string_to_array(h.logs, E'\n'), 100) end as logs,
              case h.ends_as
                   when 3 then j.timeline
                   when 4 then oqron.newest(j.timeline, array[oqron.event(c.now, 'failed', $2, h.reason)], 50)
                   else oqron.newest(j.timeline, array[oqron.event(c.now, 'cancelled', $2,
                            case when h.outcome = 5 then h.reason else '"cancelled on request"' end)], 50)
              end as timeline,
              j.payload, h.result
), --include end
, back as (
    update oqron.jobs j
    set state = case when h.outcome in (1, 3) and h.delay > 0 then 0 else 1 end,
        lane = 1,
        attempts = case when h.outcome in (3, 4) then greatest(j.attempts - 1, 0) else j.attempts end,
        run_at = case when h.outcome in (1, 3) then c.now + h.delay else j.run_at end,
        error = coalesce(h.error, j.error),
        progress = coalesce(h.progress, j.progress),
        logs = case when h.logs is null then j.logs
                    else oqron.newest(j.logs, string_to_array(h.logs, E'\n'), 100) end,
        timeline = oqron.newest(j.timeline, array[oqron.event(c.now,
            case h.outcome when 1 then 'attempt_failed' when 3 then 'snoozed' else 'released' end, $2, h.reason)], 50),
        lease_until = null, settled = true
    from held h, clock c
    where j.topic = h.topic and j.id = h.id and h.ends_as is null
    returning j.id, j.state
), others as materialized (
    -- Only if one was not held. A hashed list of what was, and no join: without hash joins it would be quadratic. Of the
    -- rest one row each, and no `exists`: the planner would hash the whole topic.
    select g.ord::integer as ord,
           case when (select repeated from request)
                then not exists (select from oqron.refused r where r.topic = $1 and r.worker = $2 and r.request = $13
                                 and g.ord = any (r.places))
                else g.ord in (select ord from held)
                  or (select true from oqron.jobs j where j.topic = $1 and j.id = g.id and j.token = g.token
                             and j.worker = $2 and j.settled) is not null
                  or (select true from oqron.finished f where f.topic = $1 and f.id = g.id and f.token = g.token
                             and f.worker = $2 and f.settled) is not null
                  or (select true from oqron.ids i where i.topic = $1 and i.id = g.id and i.token = g.token
                             and i.worker = $2) is not null
           end as accepted
    from given g where (select count(*) from held) < (select count(*) from given)
), refused as (
    insert into oqron.refused (topic, worker, request, places)
    select $1, $2, $13, array_agg(ord) from others
    where not accepted and not (select repeated from request)
    having count(*) > 0
)
select ord::integer, true as accepted, ends_as is null and (outcome = 4 or delay = 0) as waits from held
union all
select ord, accepted, false from others
