/* oqron:consume:join
   Makes a worker known. One that can be seen holds the lock of its presence already: without it, it would count as gone.
   $1 namespace  $2 worker  $3 what it says of itself, JSON  $4 whether others can see the end of its presence */
insert into oqron.workers (namespace, id, info, seen_at, visible) values ($1, $2, $3, oqron.now_ms(), $4)
on conflict (namespace, id) do update
    set info = excluded.info, seen_at = excluded.seen_at, visible = excluded.visible
