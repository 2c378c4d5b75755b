-- oqron:operate:purge_cancelled
-- The oldest cancelled jobs.
-- ?1 topic, ?2 how many. Table: jobs. Returns the columns of a slot.
SELECT seq, id, state, priority, attempts, stalls, cancel_requested, max_stalls, at_most_once, token, settled, worker,
       id_until, keep_ms, keep_count, timeline, logs
FROM jobs INDEXED BY jobs_finished
WHERE topic = ?1 AND state >= 3 AND state = 5
ORDER BY end_order, seq
LIMIT ?2
