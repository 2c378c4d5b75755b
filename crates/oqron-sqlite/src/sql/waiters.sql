-- oqron:shared:waiters
-- Who waits for a job of a topic and can be told, the longest waiting first.
-- ?1 topic, ?2 its namespace, ?3 how many, ?4 a worker to leave out, or an empty text. Tables: waiters, workers. Returns: the waiter's number, its mailbox.
SELECT waiters.seq, workers.mailbox
FROM waiters
JOIN workers ON workers.namespace = ?2 AND workers.worker = waiters.worker AND workers.listens = 1
WHERE waiters.topic = ?1 AND waiters.worker <> ?4
ORDER BY waiters.seq
LIMIT ?3
