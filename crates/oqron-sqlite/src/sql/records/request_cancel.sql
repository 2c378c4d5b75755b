-- oqron:records:request_cancel
-- Flags an active job.
-- ?1 seq, ?2 timeline. Table: jobs. Returns nothing.
UPDATE jobs SET cancel_requested = 1, timeline = ?2 WHERE seq = ?1
