-- oqron:consume:flagged
-- Jobs that a worker runs and that somebody asked to cancel.
-- ?1 topic, ?2 worker. Table: jobs. Returns ids.
SELECT id FROM jobs INDEXED BY jobs_active WHERE topic = ?1 AND state = 2 AND worker = ?2 AND cancel_requested = 1
