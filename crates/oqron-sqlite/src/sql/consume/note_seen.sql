-- oqron:consume:note_seen
-- Notes when a worker was heard of.
-- ?1 namespace, ?2 worker, ?3 now, ?4 the time before which a note is old. Table: workers. Returns nothing.
UPDATE workers SET seen_at = ?3 WHERE namespace = ?1 AND worker = ?2 AND seen_at < ?4
