-- oqron:consume:look
-- Whether a topic has something for a worker that nobody can send to.
-- ?1 topic, ?2 what the wall clock is ahead of the boot clock, ?3 since when a waiter is overdue.
-- Tables: topics, jobs, waiters.
-- Returns whether a job waits and may be claimed; when the next scheduled one is due; whether there are leases of whose end
-- nobody who waits knows.
SELECT paused = 0 AND EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_waiting WHERE topic = ?1 AND state = 1),
       (SELECT min(run_at) FROM jobs INDEXED BY jobs_scheduled WHERE topic = ?1 AND state = 0),
       paused = 0 AND EXISTS (
           SELECT 1
           FROM (SELECT min(lease_ends_boot) + ?2 AS ends FROM jobs INDEXED BY jobs_active WHERE topic = ?1 AND state = 2)
           WHERE ends IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM waiters WHERE waiters.topic = ?1 AND back_at BETWEEN ?3 AND ends)
       )
FROM topics
WHERE id = ?1
