-- oqron:consume:look
-- Whether a topic has something for a worker that nobody can send to.
-- ?1 topic. Tables: topics, jobs. Returns whether a job waits and may be claimed, and when the next scheduled one is due.
SELECT paused = 0 AND EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_waiting WHERE topic = ?1 AND state = 1),
       (SELECT min(run_at) FROM jobs INDEXED BY jobs_scheduled WHERE topic = ?1 AND state = 0)
FROM topics
WHERE id = ?1
