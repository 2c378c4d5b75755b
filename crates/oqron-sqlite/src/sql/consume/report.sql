-- oqron:consume:report
-- Keeps what a handler reported.
-- ?1 seq, ?2 progress or NULL, ?3 the whole log or NULL. Table: jobs. Returns nothing.
UPDATE jobs SET progress = coalesce(?2, progress), logs = coalesce(?3, logs) WHERE seq = ?1
