-- oqron:consume:forget_absent_waiters
-- Removes waiters that are no workers (any more).
-- ?1 topic, ?2 its namespace. Tables: waiters, workers. Returns nothing.
DELETE FROM waiters
WHERE topic = ?1 AND worker NOT IN (SELECT worker FROM workers WHERE namespace = ?2)
