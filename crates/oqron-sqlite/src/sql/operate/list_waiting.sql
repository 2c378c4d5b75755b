-- oqron:operate:list_waiting
-- A page of waiting jobs, in the order of claims.
-- ?1 topic, ?2 and ?3 position and seq of the last record of the page before, ?4 how many. Table: jobs.
-- Returns all columns, by name, and the position.
SELECT *, place AS position
FROM jobs INDEXED BY jobs_waiting
WHERE topic = ?1 AND state = 1 AND (place, seq) > (?2, ?3)
ORDER BY place, seq
LIMIT ?4
