/* oqron:consume:heartbeat
   Renews the leases that a worker lists, stores what their handlers reported, takes back those that it does not list, notes
   that the worker lives, and forgets its answered requests.
   $1 topic  $2 worker  $3 lease in ms  $4 the last request whose leases it knows  $5 no lease of it is older than this
   request (a mark)  and arrays, one element a lease: $6 job ids  $7 tokens  $8 progress (JSON)  $9 log lines (JSON), joined by
   newlines;  $10 namespace  $11 requests up to this one are answered  $12 up to this one they are forgotten already
   Returns a row for each lease that was renewed: its place in the arrays, from 1, and whether its cancellation was
   requested; what has no row is lost. In each row, and in one with `ord` null if there is none: the next mark, and how many
   jobs went back to waiting.
   Invariant: a lease is renewed only under its token and worker; rows are locked in the order of ids, as a turn does. */
with clock as materialized (
    select oqron.now_ms() as now
), listed as materialized (
    select * from unnest($6::text[], $7::bigint[], $8::text[], $9::text[])
        with ordinality as g(id, token, progress, logs, ord)
    order by id collate "C"
), held as materialized (
    select g.*, l.topic, l.cancel_requested, l.request
    from listed g cross join lateral (
        -- One by one, as in a turn.
        select j.topic, j.cancel_requested, j.request from oqron.jobs j
        where j.topic = $1 and j.id = g.id and j.state + 0 = 2 and j.token = g.token and j.worker = $2
        for update
    ) l
), renewed as (
    update oqron.jobs j
    set lease_until = c.now + $3,
        progress = coalesce(h.progress, j.progress),
        logs = case when h.logs is null then j.logs
                    else oqron.newest(j.logs, string_to_array(h.logs, E'\n'), 100) end
    from held h, clock c
    where j.topic = h.topic and j.id = h.id
), unlisted as materialized (
    -- Locked by somebody else: a turn or a reclaim is just ending it.
    select j.topic, j.id, j.cancel_requested from oqron.jobs j
    where j.topic = $1 and j.worker = $2 and j.state = 2 and j.request >= $5 and j.request <= $4
      and j.token <> all ($7::bigint[])
    order by j.request
    limit 1000
    for update skip locked
), gone as (
    delete from oqron.jobs j using unlisted u, clock c
    where j.topic = u.topic and j.id = u.id and u.cancel_requested
    returning j.seq, j.created_at, j.run_at, j.started_at, c.now as finished_at, j.token, j.retain_ms, j.retain_count,
              j.id_window_ms, j.topic, j.priority, j.attempts, j.stalls, 5::smallint as state,
              j.payload_format, null::integer as result_format, j.cancel_requested, false as settled, j.id, j.worker,
              j.extras, j.progress, j.error, j.logs,
              oqron.newest(j.timeline, array[oqron.event(c.now, 'cancelled', $2, '"cancelled on request"')], 50) as timeline,
              j.payload, null::bytea as result
), --include end
, back as (
    update oqron.jobs j
    set state = 1, lane = 1, attempts = greatest(j.attempts - 1, 0), lease_until = null, settled = false,
        timeline = oqron.newest(j.timeline, array[oqron.event(c.now, 'released', $2, '"its worker does not hold it"')], 50)
    from unlisted u, clock c
    where j.topic = u.topic and j.id = u.id and not u.cancel_requested
    returning j.id
), seen as (
    update oqron.workers set seen_at = (select now from clock) where namespace = $10 and id = $2
), forgotten as (
    delete from oqron.turns where topic = $1 and worker = $2 and request > $12 and request <= $11
), refused as (
    delete from oqron.refused where topic = $1 and worker = $2 and request > $12 and request <= $11
), answer as materialized (
    select least((select min(request) from held), $4 + 1) as mark, (select count(*) from back) as back
)
select h.ord::integer, h.cancel_requested,
       -- More than are taken back in one call would hide behind the mark.
       case when (select count(*) from unlisted) >= 1000 then 0 else a.mark end as mark, a.back
from answer a left join held h on true
