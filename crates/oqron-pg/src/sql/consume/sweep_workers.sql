/* oqron:consume:sweep_workers
   Forgets workers that were not seen for an hour and are not present, and their requests. Bounded.
   $1 namespace  $2 topic  $3 requests at most */
with old as materialized (
    select id from oqron.workers
    where namespace = $1 and seen_at < oqron.now_ms() - 3600000
      and pg_try_advisory_xact_lock(oqron.presence_key(namespace, id))
    limit 100
), requests as materialized (
    select t.worker, t.request from old cross join lateral (
        select worker, request from oqron.turns where topic = $2 and worker = old.id order by request limit $3) t
    limit $3
), removed as (
    delete from oqron.turns t using requests r where t.topic = $2 and t.worker = r.worker and t.request = r.request
    returning t.worker
), refused as (
    delete from oqron.refused t using requests r where t.topic = $2 and t.worker = r.worker and t.request = r.request
)
delete from oqron.workers w using old
where w.namespace = $1 and w.id = old.id and not exists (
    select from oqron.turns t join oqron.topics p on p.id = t.topic where p.namespace = $1 and t.worker = old.id)
