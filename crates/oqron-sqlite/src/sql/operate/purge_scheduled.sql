-- oqron:operate:purge_scheduled
-- The oldest scheduled jobs.
-- ?1 topic, ?2 how many. Table: jobs. Returns the columns of a slot.
SELECT seq, id, state, priority, attempts, stalls, cancel_requested, max_stalls, at_most_once, token, settled, worker,
       id_until, keep_ms, keep_count, timeline, logs
FROM jobs INDEXED BY jobs_scheduled
WHERE topic = ?1 AND state = 0
ORDER BY run_at, seq
LIMIT ?2
