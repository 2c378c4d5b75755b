/* oqron:consume:claim
   Claims up to n waiting jobs: stalled ones first, then by priority, then by age. Or, if the request is a repeated one,
   gives its leases again, those that are still held.
   $1 topic  $2 worker  $3 request  $4 n  $5 lease in ms  $6 at most once  $7 max stalls
   $11 key of the worker's presence, or null
   $8 to $10 ranges of the index of added jobs, in its order: from (priority $8, seq $9) to the end of priority $10
   Returns one row for each lease, in the order of their start. Columns of the whole answer stand in each row, and in one
   row with `id` null if there is no lease: paused, repeated, more (a larger claim would have got more), waiters
   (somebody could be woken), unwatched (somebody could be woken, and of the others nobody comes by itself before the leases
   end), leases_until (their end), snapshot (the transactions that were open, for the marks).
   Invariant: a row becomes active only under its lock and only while it is waiting; a locked row is somebody else's. */
with clock as materialized (
    select oqron.now_ms() as now
), state as materialized (
    select exists (select from oqron.topics where id = $1 and paused) as paused,
           not exists (select from oqron.turns where topic = $1 and worker = $2 and request = $3
                       and xid = pg_current_xact_id()) as repeated
), allowed as materialized (
    select case when paused or repeated then 0 else $4 end as jobs from state
), returned as materialized (
    select topic, id, seq, priority, lane from oqron.jobs
    where topic = $1 and state = 1 and lane < 2
    order by lane, priority, seq
    limit (select jobs from allowed)
    for update skip locked
), added as materialized (
    select j.* from unnest($8::integer[], $9::bigint[], $10::integer[])
        with ordinality as r(from_priority, from_seq, to_priority, ord)
    cross join lateral (
        select topic, id, seq, priority, lane from oqron.jobs
        where topic = $1 and state = 1 and lane = 2
          and (priority, seq) >= (r.from_priority, r.from_seq) and priority <= r.to_priority
        order by priority, seq
        limit (select jobs from allowed)
        for update skip locked
    ) j
    limit (select jobs from allowed)
), chosen as materialized (
    select * from (select * from returned union all select * from added) free
    order by lane <> 0, priority, seq
    limit (select jobs from allowed)
), claimed as (
    update oqron.jobs j
    set state = 2, attempts = least(j.attempts, 2147483646) + 1, token = nextval('oqron.tokens'), worker = $2, request = $3,
        started_at = c.now, lease_until = c.now + $5, at_most_once = $6, max_stalls = $7, settled = false
    from chosen h, clock c
    where j.topic = h.topic and j.id = h.id
    returning j.id, h.lane, h.priority, h.seq, j.token, j.attempts, j.stalls, j.payload_format, j.payload, j.extras,
              j.created_at
), leases as (
    select * from claimed
    union all
    select j.id, j.lane, j.priority, j.seq, j.token, j.attempts, j.stalls, j.payload_format, j.payload, j.extras, j.created_at
    from oqron.jobs j
    where j.topic = $1 and j.worker = $2 and j.request = $3 and j.state = 2 and (select repeated from state)
), last_returned as (
    select lane, priority, seq from returned order by lane desc, priority desc, seq desc limit 1
), last_added as (
    select priority, seq from added order by priority desc, seq desc limit 1
), answer as materialized (
    select s.paused, s.repeated, pg_current_snapshot()::text as snapshot,
           case when s.paused or s.repeated or (select count(*) from chosen) < $4 then false
                else (select count(*) from returned) + (select count(*) from added) > $4
                  or ($4 = 0 and ((select true from oqron.jobs where topic = $1 and state = 1 and lane = 2
                                   order by priority, seq limit 1) is not null
                                  or (select true from oqron.jobs where topic = $1 and state = 1 and lane < 2
                                      order by lane, priority, seq limit 1) is not null))
                  or exists (select from last_added l cross join lateral (
                         select 1 from oqron.jobs j
                         where j.topic = $1 and j.state = 1 and j.lane = 2 and (j.priority, j.seq) > (l.priority, l.seq)
                         order by j.priority, j.seq limit 1) beyond)
                  or exists (select from last_returned l cross join lateral (
                         select 1 from oqron.jobs j
                         where j.topic = $1 and j.state = 1 and j.lane < 2
                           and (j.lane, j.priority, j.seq) > (l.lane, l.priority, l.seq)
                         order by j.lane, j.priority, j.seq limit 1) beyond)
           end as more
    from state s
)
select l.*, a.paused, a.repeated, a.more, a.snapshot, c.now + $5 as leases_until,
       a.more and exists (select from oqron.waiters where topic = $1 and since >= c.now - 60000) as waiters,
       case when not exists (select from claimed)
              or not exists (select from oqron.waiters where topic = $1 and since >= c.now - 60000 and key is distinct from $11)
            then false
            else not exists (
                select from oqron.waiters w
                where w.topic = $1 and w.since >= c.now - 60000 and w.key is distinct from $11
                  -- It comes in time, if it still lives.
                  and case when w.due_at <= c.now + $5 then not pg_try_advisory_xact_lock(w.key) else false end)
       end as unwatched
from clock c cross join answer a left join leases l on true
order by l.lane <> 0, l.priority, l.seq
