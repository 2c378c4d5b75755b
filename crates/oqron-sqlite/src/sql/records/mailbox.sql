-- oqron:records:mailbox
-- Where a worker can be told.
-- ?1 namespace, ?2 worker. Table: workers. Returns the mailbox, at most one row.
SELECT mailbox FROM workers WHERE namespace = ?1 AND worker = ?2 AND listens = 1
