/* oqron:consume:lock_release
   Gives a lock up, if it is still held under its token.
   $1 namespace  $2 name  $3 token
   Returns a row if it was. */
update oqron.locks set held_until = 0
where namespace = $1 and name = $2 and token = $3 and held_until > oqron.now_ms()
returning token
