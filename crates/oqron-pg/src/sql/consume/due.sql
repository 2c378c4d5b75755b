/* oqron:consume:due
   When the next lease ends and the next scheduled job starts.
   $1 topic  $2 no lease ends before it  $3 no scheduled job starts before it: marks, 0 to look at all
   Returns one row: lease_until, run_at (null if there is none), now, and the microseconds that the look took: with an old
   snapshot pinned it walks over dead entries, and the caller then asks less often. */
with clock as materialized (
    select clock_timestamp() as began, oqron.now_ms() as now
), next as materialized (
    select (select lease_until from oqron.jobs where topic = $1 and state = 2 and lease_until >= $2
            order by lease_until limit 1) as lease_until,
           (select run_at from oqron.jobs where topic = $1 and state = 0 and run_at >= $3
            order by run_at limit 1) as run_at
    from clock
)
select n.lease_until, n.run_at, c.now, (extract(epoch from clock_timestamp() - c.began) * 1000000)::bigint as took_us
from clock c, next n
