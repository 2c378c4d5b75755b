/* oqron:consume:seen
   Notes that a worker lives, and forgets its answered requests.
   $1 namespace  $2 worker  $3 topic  $4 requests up to this one are answered  $5 up to this one they are forgotten already */
with seen as (
    update oqron.workers set seen_at = oqron.now_ms()
    where namespace = $1 and id = $2
), refused as (
    delete from oqron.refused where topic = $3 and worker = $2 and request > $5 and request <= $4
)
delete from oqron.turns where topic = $3 and worker = $2 and request > $5 and request <= $4
