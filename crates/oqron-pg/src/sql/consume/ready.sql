/* oqron:consume:ready
   Before a claim: scheduled jobs whose time has come become waiting, expired leases are reclaimed. Bounded.
   $1 topic  $2 worker  $3 request  $4 jobs at most, of each kind
   $5 no lease ends before it  $6 no scheduled job starts before it: marks of the last call, 0 to look at all
   Returns one row: the time that it went by, and whether there may be more.
   Invariant: a lease is taken from its worker only while it is expired under the row's lock. */
with clock as materialized (
    select oqron.now_ms() as now
), allowed as materialized (
    select case when exists (select from oqron.topics where id = $1 and paused)
                  or not exists (select from oqron.turns where topic = $1 and worker = $2 and request = $3
                                 and xid = pg_current_xact_id())
                then 0 else $4 end as jobs
), due as materialized (
    select topic, id from oqron.jobs
    where topic = $1 and state = 0 and run_at >= $6 and run_at <= (select now from clock)
    order by run_at
    limit (select jobs from allowed)
    for update skip locked
), promoted as (
    update oqron.jobs j set state = 1, lane = 1 from due where j.topic = due.topic and j.id = due.id
    returning j.id
), stalled as materialized (
    select topic, id, stalls, max_stalls, at_most_once, cancel_requested, '"lease expired"' as reason
    from oqron.jobs
    where topic = $1 and state = 2 and lease_until >= $5 and lease_until <= (select now from clock)
    order by lease_until
    limit (select jobs from allowed)
    for update skip locked
), --include stall
select c.now, (select count(*) from stalled) >= $4 as more_expired, (select count(*) from due) >= $4 as more_due
from clock c
