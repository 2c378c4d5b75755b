-- oqron:operate:list_cancelled
-- A page of cancelled jobs, newest first.
-- ?1 topic, ?2 and ?3 position and seq of the last record of the page before, ?4 how many. Table: jobs.
-- Returns all columns, by name, and the position.
SELECT *, end_order AS position
FROM jobs INDEXED BY jobs_finished
WHERE topic = ?1 AND state >= 3 AND state = 5 AND (end_order, seq) < (?2, ?3)
ORDER BY end_order DESC, seq DESC
LIMIT ?4
