/* oqron:consume:wait
   Registers a waiter, and removes its last registration.
   $1 topic  $2 key of the presence  $3 when it will look by itself, or null  $4 time of the last registration, or null
   Returns the time of this one, and whether the last one was still there: nobody has used it to wake the worker. */
with removed as (
    delete from oqron.waiters where topic = $1 and since = $4 and key = $2
    returning key
)
insert into oqron.waiters (topic, since, key, due_at) values ($1, oqron.now_ms(), $2, $3)
on conflict (topic, since, key) do update set due_at = excluded.due_at
returning since, exists (select from removed)
