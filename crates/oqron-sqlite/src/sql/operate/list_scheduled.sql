-- oqron:operate:list_scheduled
-- A page of scheduled jobs, by their time.
-- ?1 topic, ?2 and ?3 position and seq of the last record of the page before, ?4 how many. Table: jobs.
-- Returns all columns, by name, and the position.
SELECT *, run_at AS position
FROM jobs INDEXED BY jobs_scheduled
WHERE topic = ?1 AND state = 0 AND (run_at, seq) > (?2, ?3)
ORDER BY run_at, seq
LIMIT ?4
