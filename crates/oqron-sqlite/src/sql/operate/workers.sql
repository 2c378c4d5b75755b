-- oqron:operate:workers
-- All workers that are known.
-- ?1 namespace. Table: workers. Returns what they say of themselves, when they were heard of, their mailbox.
SELECT info, seen_at, mailbox FROM workers WHERE namespace = ?1 ORDER BY worker
