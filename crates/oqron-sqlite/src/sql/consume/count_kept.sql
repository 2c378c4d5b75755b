-- oqron:consume:count_kept
-- How many completed and cancelled records a topic has.
-- ?1 topic. Table: jobs. Returns one number.
SELECT count(*) FROM jobs INDEXED BY jobs_expiring WHERE topic = ?1 AND expires_at IS NOT NULL
