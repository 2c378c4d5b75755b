-- oqron:consume:wait
-- Registers a worker that has joined as the last of those who wait for a job of a topic.
-- ?1 topic, ?2 its namespace, ?3 worker, ?4 when it comes back by itself, or NULL. Tables: waiters, workers.
-- Keeps: a worker waits once for a topic.
INSERT OR REPLACE INTO waiters (topic, worker, back_at)
SELECT ?1, worker, ?4 FROM workers WHERE namespace = ?2 AND worker = ?3
