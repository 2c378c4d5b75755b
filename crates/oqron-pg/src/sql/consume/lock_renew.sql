/* oqron:consume:lock_renew
   Gives a lock more time, if it is still held under its token.
   $1 namespace  $2 name  $3 token  $4 time to live in ms
   Returns a row if it was. */
update oqron.locks set held_until = oqron.now_ms() + $4
where namespace = $1 and name = $2 and token = $3 and held_until > oqron.now_ms()
returning token
