-- oqron:consume:leave
-- Forgets a worker that says goodbye, unless it has joined again meanwhile.
-- ?1 namespace, ?2 worker, ?3 mailbox. Table: workers. Returns nothing.
DELETE FROM workers WHERE namespace = ?1 AND worker = ?2 AND mailbox = ?3
