-- Part of every statement that removes finished records: the ids of `removed` stay known until the end of their window.
remembered as (
    insert into oqron.ids (topic, id, known_until, kept_until, token, worker)
    select r.topic, r.id, oqron.later(r.created_at, r.id_window_ms), oqron.later(r.created_at, r.id_window_ms),
           case when r.settled then r.token end, r.worker
    from removed r, clock c
    where oqron.later(r.created_at, r.id_window_ms) > c.now
    order by r.id
    on conflict (topic, id) do update
        set known_until = excluded.known_until, kept_until = excluded.kept_until,
            token = excluded.token, worker = excluded.worker
)
