/* oqron:consume:presence_key
   The key of a worker's presence: of the advisory lock, and in the name of its channel.
   $1 namespace  $2 worker
   Returns one row. */
select oqron.presence_key($1, $2) as key
