-- oqron:shared:next_scheduled
-- When the next scheduled job of a topic is due.
-- ?1 topic. Table: jobs. Returns one row: the time or NULL.
SELECT min(run_at) FROM jobs INDEXED BY jobs_scheduled WHERE topic = ?1 AND state = 0
