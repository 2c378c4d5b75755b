-- oqron:consume:acquire_lock
-- Takes a lock that nobody holds.
-- ?1 namespace, ?2 name, ?3 its end, ?4 now. Table: locks. Returns the token, or no row: somebody holds it.
-- Keeps: the token is greater than every earlier one of this name.
INSERT INTO locks (namespace, name, token, ends_boot) VALUES (?1, ?2, 1, ?3)
ON CONFLICT (namespace, name) DO UPDATE SET token = token + 1, ends_boot = excluded.ends_boot WHERE ends_boot <= ?4
RETURNING token
