/* oqron:consume:lock_acquire
   Takes a named lock if nobody holds it or its time has run out.
   $1 namespace  $2 name  $3 time to live in ms
   Returns its token, or no row: somebody else holds it.
   Invariant: the row stays when the lock is given up, so that tokens of a name only grow. */
insert into oqron.locks as l (namespace, name, token, held_until) values ($1, $2, 1, oqron.now_ms() + $3)
on conflict (namespace, name) do update
    set token = l.token + 1, held_until = oqron.now_ms() + $3
    where l.held_until <= oqron.now_ms()
returning token
