-- oqron:operate:retry
-- Puts a finished job back to waiting, with nothing done.
-- ?1 seq, ?2 timeline. Table: jobs. Returns nothing.
-- Keeps: its age; worker and token of its last lease.
UPDATE jobs
SET state = 1, place = priority, attempts = 0, stalls = 0, cancel_requested = 0, error = NULL, result_format = NULL,
    result = NULL, finished_at = NULL, end_order = NULL, expires_at = NULL, timeline = ?2
WHERE seq = ?1
