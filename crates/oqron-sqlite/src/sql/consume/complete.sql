-- oqron:consume:complete
-- Completes a job whose lease is the worker's, and whose record is kept.
-- ?1 topic, ?2 id, ?3 token, ?4 worker, ?5 now, ?6 and ?7 result, ?8 progress or NULL, ?9 the place among the ends.
-- Table: jobs. Returns nothing; it changes one row, or none where the lease is another or the record goes at once.
-- Keeps: out of Active only the holder of the current token leads.
UPDATE jobs
SET state = 3, finished_at = ?5, end_order = ?9, result_format = ?6, result = ?7,
    -- Without a limit of time: after all that have one, in the order of the ends.
    expires_at = ?5 + min(coalesce(keep_ms, 9000000000000000000), 9223372036854775807 - ?5), progress = coalesce(?8, progress), settled = 1,
    lease_ends_boot = NULL, max_stalls = NULL, at_most_once = NULL
WHERE topic = ?1 AND id = ?2 AND state = 2 AND token = ?3 AND worker = ?4
  AND coalesce(keep_count, 1) <> 0 AND coalesce(keep_ms, 1) <> 0
