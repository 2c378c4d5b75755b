-- oqron:shared:end
-- Ends a job whose record is kept.
-- ?1 seq, ?2 state, ?3 now, ?4 expires_at, ?5 and ?6 result, ?7 error, ?8 timeline, ?9 attempts, ?10 stalls, ?11 settled,
-- ?12 the place among the ends.
-- Table: jobs. Returns nothing.
-- Keeps: a finished job has finished_at and no lease; worker and token of the last lease stay.
UPDATE jobs
SET state = ?2, finished_at = ?3, end_order = ?12, expires_at = ?4, result_format = ?5, result = ?6, error = coalesce(?7, error),
    timeline = coalesce(?8, timeline), attempts = ?9, stalls = ?10, settled = ?11,
    lease_ends_boot = NULL, max_stalls = NULL, at_most_once = NULL
WHERE seq = ?1
