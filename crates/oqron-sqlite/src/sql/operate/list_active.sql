-- oqron:operate:list_active
-- A page of active jobs, by their start.
-- ?1 topic, ?2 and ?3 position and seq of the last record of the page before, ?4 how many. Table: jobs.
-- Returns all columns, by name, and the position.
SELECT *, coalesce(token, 0) AS position
FROM jobs INDEXED BY jobs_active
WHERE topic = ?1 AND state = 2 AND (coalesce(token, 0), seq) > (?2, ?3)
ORDER BY coalesce(token, 0), seq
LIMIT ?4
