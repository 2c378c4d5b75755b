-- oqron:consume:promote
-- Scheduled jobs whose time has come become waiting, the earliest first.
-- ?1 topic, ?2 now, ?3 how many. Table: jobs. Returns nothing.
-- Keeps: a job keeps its age.
UPDATE jobs SET state = 1, place = priority
WHERE seq IN (
    SELECT seq FROM jobs INDEXED BY jobs_scheduled
    WHERE topic = ?1 AND state = 0 AND run_at <= ?2
    ORDER BY run_at
    LIMIT ?3
)
