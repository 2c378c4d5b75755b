-- oqron:publish:watch
-- Registers somebody who waits for the end of a job.
-- ?1 topic, ?2 id, ?3 mailbox. Table: watchers. Returns nothing.
-- Keeps: only a job that has not ended has watchers.
INSERT INTO watchers (topic, id, mailbox)
SELECT ?1, ?2, ?3
WHERE EXISTS (SELECT 1 FROM jobs WHERE topic = ?1 AND id = ?2 AND state < 3)
ON CONFLICT DO NOTHING
