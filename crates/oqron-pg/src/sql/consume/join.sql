/* oqron:consume:join
   Makes a worker known.
   $1 namespace  $2 worker  $3 what it says of itself, JSON
   Returns the key of its presence: of the advisory lock, and in the name of its channel. */
insert into oqron.workers (namespace, id, info, seen_at) values ($1, $2, $3, oqron.now_ms())
on conflict (namespace, id) do update set info = excluded.info, seen_at = excluded.seen_at
returning oqron.presence_key(namespace, id) as key, oqron.channel(oqron.presence_key(namespace, id)) as channel
