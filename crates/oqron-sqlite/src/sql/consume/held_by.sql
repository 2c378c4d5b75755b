-- oqron:consume:held_by
-- The leases of a worker that were given by a request up to a certain one.
-- ?1 topic, ?2 worker, ?3 request. Table: jobs. Returns id and token.
SELECT id, coalesce(token, 0)
FROM jobs INDEXED BY jobs_active
WHERE topic = ?1 AND state = 2 AND worker = ?2 AND request <= ?3
