-- oqron:consume:over_age
-- Finished records that expire until a time, the first to expire first.
-- ?1 topic, ?2 the time, ?3 how many. Table: jobs. Returns the columns of a slot.
SELECT seq, id, state, priority, attempts, stalls, cancel_requested, max_stalls, at_most_once, token, settled, worker,
       id_until, keep_ms, keep_count, timeline, logs
FROM jobs INDEXED BY jobs_expiring
WHERE topic = ?1 AND expires_at IS NOT NULL AND expires_at <= ?2
ORDER BY expires_at, end_order
LIMIT ?3
