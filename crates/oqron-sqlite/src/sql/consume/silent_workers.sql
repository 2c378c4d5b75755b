-- oqron:consume:silent_workers
-- Workers that were not heard of since a time.
-- ?1 namespace, ?2 the time. Table: workers. Returns worker and mailbox.
SELECT worker, mailbox FROM workers WHERE namespace = ?1 AND seen_at < ?2
