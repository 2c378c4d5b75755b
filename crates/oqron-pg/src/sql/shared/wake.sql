/* oqron:records:wake
   Wakes waiters of a topic. In a transaction of its own, after the one that made the jobs: a notification takes a lock of
   the whole server until its transaction has committed.
   $1 topic  $2 waiters at most  $3 only if nobody comes before this time by itself, or null  $4 mark of the last call
   $5 key of a worker that does not count, or null
   Returns the next mark; null if nobody waits, which is all that a loaded queue has to find out. */
select case when exists (select from oqron.waiters
                         where topic = $1 and since >= greatest($4, oqron.now_ms() - 90000))
            then oqron.wake($1, $2, $3, $4, $5) end as mark
