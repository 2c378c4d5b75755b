/* oqron:consume:leave
   Forgets a worker: it is no longer listed and no longer woken.
   $1 namespace  $2 worker  $3 key of its presence */
with waits as (
    delete from oqron.waiters where key = $3 and topic in (select id from oqron.topics where namespace = $1)
)
delete from oqron.workers where namespace = $1 and id = $2
