-- oqron:consume:absent_leases
-- The leases of some workers, the first to end first.
-- ?1 topic, ?2 the workers as a JSON list, ?3 how many. Table: jobs. Returns id, token and end.
SELECT id, token, lease_ends_boot
FROM jobs INDEXED BY jobs_active
WHERE topic = ?1 AND state = 2 AND worker IN (SELECT value FROM json_each(?2)) AND token IS NOT NULL
  AND lease_ends_boot IS NOT NULL
ORDER BY lease_ends_boot
LIMIT ?3
