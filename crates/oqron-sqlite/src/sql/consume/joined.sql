-- oqron:consume:joined
-- Workers that have joined and did not leave.
-- ?1 namespace. Table: workers. Returns worker, mailbox, and whether its lock file shows its end.
SELECT worker, mailbox, is_seen FROM workers WHERE namespace = ?1
