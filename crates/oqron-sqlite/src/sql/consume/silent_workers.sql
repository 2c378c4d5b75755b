-- oqron:consume:silent_workers
-- Workers that were not heard of since a time, and of whom no lease is left that could be taken back.
-- ?1 namespace, ?2 the time. Tables: workers, topics, jobs. Returns worker and mailbox.
SELECT worker, mailbox
FROM workers AS silent
WHERE namespace = ?1 AND seen_at < ?2
  AND NOT EXISTS (
      SELECT 1
      FROM topics
      JOIN jobs INDEXED BY jobs_active ON jobs.topic = topics.id AND jobs.state = 2
      WHERE topics.namespace = ?1 AND jobs.worker = silent.worker
  )
