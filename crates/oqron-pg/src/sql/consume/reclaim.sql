/* oqron:consume:reclaim
   Ends leases before their time: their worker is gone.
   arrays, one element a lease: $1 topics  $2 job ids  $3 tokens  $4 ends of the leases
   Returns a row for each topic with a lease that was ended: topic, how many were, how many jobs went back to waiting.
   Invariant: a lease is taken from its worker only while token and end are those that were seen, under the row's lock. One
   that is locked is just being renewed, settled or reclaimed. */
with clock as materialized (
    select oqron.now_ms() as now
), stalled as materialized (
    select l.*, '"its worker is gone"' as reason
    from unnest($1::integer[], $2::text[], $3::bigint[], $4::bigint[]) as g(topic, id, token, lease_until)
    cross join lateral (
        select j.topic, j.id, j.stalls, j.max_stalls, j.at_most_once, j.cancel_requested from oqron.jobs j
        where j.topic = g.topic and j.id = g.id and j.state + 0 = 2 and j.token = g.token and j.lease_until = g.lease_until
        for update skip locked
    ) l
), --include stall
select topic, count(*) as ended, (select count(*) from back b where b.topic = s.topic) as back
from stalled s
group by topic
