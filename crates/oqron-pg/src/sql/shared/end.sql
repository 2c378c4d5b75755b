-- Part of every statement that ends jobs. Takes the rows that were taken out of `jobs` from `gone`, which has the columns
-- of `finished`; keeps the record or, where its retention is nothing, only the id; and tells who waits for the end.
kept as (
    insert into oqron.finished (seq, created_at, run_at, started_at, finished_at, expires_at, token, retain_ms, retain_count,
                                id_window_ms, topic, priority, attempts, stalls, state, payload_format, result_format,
                                cancel_requested, settled, id, worker, extras, progress, error, logs, timeline, payload,
                                result)
    select seq, created_at, run_at, started_at, finished_at,
           oqron.expires_at(finished_at, retain_ms), token, retain_ms, retain_count,
           id_window_ms, topic, priority, attempts, stalls, state, payload_format, result_format,
           cancel_requested, settled, id, worker, extras, progress, error, logs, timeline, payload, result
    from gone
    where state = 4 or (retain_count is distinct from 0 and retain_ms is distinct from 0)
), remembered as (
    -- The token stays a minute in any case, so that a repeated settlement is recognised.
    insert into oqron.ids (topic, id, known_until, kept_until, token, worker)
    select topic, id, oqron.later(created_at, id_window_ms),
           greatest(oqron.later(created_at, id_window_ms), finished_at + 60000),
           case when settled then token end, worker
    from gone
    where state <> 4 and (retain_count = 0 or retain_ms = 0)
    order by id
    on conflict (topic, id) do update
        set known_until = excluded.known_until, kept_until = excluded.kept_until,
            token = excluded.token, worker = excluded.worker
), told as (
    delete from oqron.watchers w using gone g where w.topic = g.topic and w.id = g.id
    returning pg_notify(w.channel, 'f:' || w.topic || ':' || w.id)
)
