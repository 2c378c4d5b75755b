-- oqron:consume:leases_of
-- The leases that a request gave and that are still held, in the order in which they were given.
-- ?1 topic, ?2 worker, ?3 request. Table: jobs. Returns the columns of first_waiting.sql.
SELECT seq, id, attempts, stalls, priority, extras, created_at, payload_format, payload, token
FROM jobs INDEXED BY jobs_active
WHERE topic = ?1 AND state = 2 AND worker = ?2 AND request = ?3
ORDER BY token
