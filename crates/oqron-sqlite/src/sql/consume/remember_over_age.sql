-- oqron:consume:remember_over_age
-- Remembers the ids of the finished records that `remove_over_age` takes with the same ?1 to ?3.
-- ?1 topic, ?2 the time until which they expire, ?3 how many, ?4 now. Tables: jobs, ids. Returns nothing.
-- Keeps: an id is known until its window is over, whatever became of the job.
INSERT INTO ids (topic, id, until)
SELECT ?1, id, id_until
FROM (
    SELECT id, id_until FROM jobs INDEXED BY jobs_expiring
    WHERE topic = ?1 AND expires_at IS NOT NULL AND expires_at <= ?2
    ORDER BY expires_at, end_order, seq
    LIMIT ?3
)
WHERE id_until > ?4
ON CONFLICT (topic, id) DO UPDATE SET until = excluded.until
