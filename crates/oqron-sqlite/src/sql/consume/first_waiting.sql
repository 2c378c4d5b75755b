-- oqron:consume:first_waiting
-- The waiting jobs that are first in the order: stalled ones, then by priority, then by age.
-- ?1 topic, ?2 how many. Table: jobs. Returns the seq and what a lease is made of.
SELECT seq, id, attempts, stalls, priority, extras, created_at, payload_format, payload, token
FROM jobs INDEXED BY jobs_waiting
WHERE topic = ?1 AND state = 1
ORDER BY place, seq
LIMIT ?2
