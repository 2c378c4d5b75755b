-- oqron:consume:requeue
-- Takes a job out of Active without ending it.
-- ?1 seq, ?2 state, ?3 place, ?4 run_at or NULL, ?5 attempts, ?6 stalls, ?7 error or NULL, ?8 timeline, ?9 settled.
-- Table: jobs. Returns nothing.
-- Keeps: a job that is not active has no lease; worker and token of the last one stay, and so does its age.
UPDATE jobs
SET state = ?2, place = ?3, run_at = coalesce(?4, run_at), attempts = ?5, stalls = ?6, error = coalesce(?7, error),
    timeline = ?8, settled = ?9, lease_ends_boot = NULL, max_stalls = NULL, at_most_once = NULL
WHERE seq = ?1
