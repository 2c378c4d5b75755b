-- oqron:consume:is_anything_waiting
-- ?1 topic. Table: jobs. Returns one row: 0 or 1.
SELECT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_waiting WHERE topic = ?1 AND state = 1)
