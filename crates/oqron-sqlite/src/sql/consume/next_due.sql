-- oqron:consume:next_due
-- When the next scheduled job is due, by the wall clock, and when the next lease ends, by the boot clock.
-- ?1 topic. Table: jobs. Returns one row: two times, NULL where there is none.
SELECT (SELECT min(run_at) FROM jobs INDEXED BY jobs_scheduled WHERE topic = ?1 AND state = 0),
       (SELECT min(lease_ends_boot) FROM jobs INDEXED BY jobs_active WHERE topic = ?1 AND state = 2)
