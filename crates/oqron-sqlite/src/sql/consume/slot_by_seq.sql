-- oqron:consume:slot_by_seq
-- The narrow part of one job.
-- ?1 seq. Table: jobs. Returns the columns of a slot, at most one row.
SELECT seq, id, state, priority, attempts, stalls, cancel_requested, max_stalls, at_most_once, token, settled, worker,
       id_until, keep_ms, keep_count, timeline, logs
FROM jobs
WHERE seq = ?1
