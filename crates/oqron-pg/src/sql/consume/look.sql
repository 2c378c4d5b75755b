/* oqron:consume:look
   Which leases belong to workers that are not present: they can be seen, and nobody holds the lock of their presence.
   $1 namespace  $2 worker  $3 leases at most, of a topic  and arrays, one element a topic: $4 topics  $5 no lease ends before
   it (marks)
   Returns a row for each of these leases: place of its topic in the arrays, from 1, job id, token, end. In each row, and in
   one with `ord` null if there is none: whether others hold leases of the topics, and for how many whole seconds the server has run.
   The locks are read, not tried: a lock that is tried is held for a moment, and another who looks would take it for a
   presence. */
with clock as materialized (
    select oqron.now_ms() as now
), present as materialized (
    select l.classid::bigint << 32 | l.objid::bigint as key
    from pg_locks l
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.mode = 'ShareLock'
      and l.database = (select oid from pg_database where datname = current_database())
), absent as materialized (
    select w.id from oqron.workers w
    where w.namespace = $1 and w.visible
      and oqron.presence_key(w.namespace, w.id) not in (select key from present)
), asked as materialized (
    select * from unnest($4::integer[], $5::bigint[]) with ordinality as a(topic, mark, ord)
), missed as materialized (
    select a.ord, l.id, l.token, l.lease_until from asked a cross join lateral (
        select j.id, j.token, j.lease_until from oqron.jobs j
        where j.topic = a.topic and j.state = 2 and j.lease_until >= a.mark
          -- A hashed list, and no join: without hash joins it would be quadratic.
          and (j.worker in (select id from absent)) is true
        order by j.lease_until limit $3) l
    where exists (select from absent)
), run as materialized (
    select began_at from oqron.run
), began as (
    insert into oqron.run (began_at) select now from clock where not exists (select from run)
    on conflict do nothing
), answer as materialized (
    select exists (select from asked a cross join lateral (
               select 1 from oqron.jobs j
               where j.topic = a.topic and j.state = 2 and j.lease_until >= a.mark and j.worker <> $2
               order by j.lease_until desc limit 1) l) as others,
           (c.now - greatest(coalesce((select began_at from run), c.now),
                             (extract(epoch from pg_postmaster_start_time()) * 1000)::bigint)) / 1000 as up_secs
    from clock c
)
select m.ord::integer, m.id, m.token, m.lease_until, a.others, a.up_secs
from answer a left join missed m on true
