-- oqron:shared:next_scheduled
-- When the next scheduled job of a topic is due, and whether a waiting worker comes back by itself until then.
-- ?1 topic. Tables: jobs, waiters. Returns one row: the time or NULL, and 0 or 1.
SELECT due, EXISTS (SELECT 1 FROM waiters WHERE topic = ?1 AND back_at <= due)
FROM (SELECT min(run_at) AS due FROM jobs INDEXED BY jobs_scheduled WHERE topic = ?1 AND state = 0)
