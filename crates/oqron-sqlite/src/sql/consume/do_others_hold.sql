-- oqron:consume:do_others_hold
-- Whether another worker has a lease of a topic.
-- ?1 topic, ?2 the worker. Table: jobs. Returns one row: 0 or 1.
SELECT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_active WHERE topic = ?1 AND state = 2 AND worker <> ?2)
