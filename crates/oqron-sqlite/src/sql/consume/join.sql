-- oqron:consume:join
-- Makes a worker known, or known again.
-- ?1 namespace, ?2 worker, ?3 what it says of itself, ?4 now, ?5 mailbox, ?6 whether it has a socket. Table: workers.
INSERT INTO workers (namespace, worker, info, seen_at, mailbox, listens) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (namespace, worker) DO UPDATE
SET info = excluded.info, seen_at = excluded.seen_at, mailbox = excluded.mailbox, listens = excluded.listens
