-- oqron:consume:join
-- Makes a worker known, or known again.
-- ?1 namespace, ?2 worker, ?3 what it says of itself, ?4 now, ?5 mailbox, ?6 whether it has a socket, ?7 whether its lock
-- file shows its end. Table: workers. Returns nothing.
INSERT INTO workers (namespace, worker, info, seen_at, mailbox, listens, is_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
ON CONFLICT (namespace, worker) DO UPDATE
SET info = excluded.info, seen_at = excluded.seen_at, mailbox = excluded.mailbox, listens = excluded.listens,
    is_seen = excluded.is_seen
