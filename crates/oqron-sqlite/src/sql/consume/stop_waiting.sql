-- oqron:consume:stop_waiting
-- Ends the waiting of a worker that is not known any more, in all topics of a namespace.
-- ?1 namespace, ?2 worker. Tables: waiters, topics, workers. Returns nothing.
DELETE FROM waiters
WHERE worker = ?2 AND topic IN (SELECT id FROM topics WHERE namespace = ?1)
  AND NOT EXISTS (SELECT 1 FROM workers WHERE namespace = ?1 AND worker = ?2)
