-- oqron:consume:expired
-- Jobs whose lease is over, the longest first.
-- ?1 topic, ?2 now on the boot clock, ?3 how many. Table: jobs. Returns the columns of a slot.
SELECT seq, id, state, priority, attempts, stalls, cancel_requested, max_stalls, at_most_once, token, settled, worker,
       id_until, keep_ms, keep_count, timeline, logs
FROM jobs INDEXED BY jobs_active
WHERE topic = ?1 AND state = 2 AND lease_ends_boot <= ?2
ORDER BY lease_ends_boot
LIMIT ?3
