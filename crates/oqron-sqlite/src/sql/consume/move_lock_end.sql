-- oqron:consume:move_lock_end
-- Renews or releases a lock that is held under this token.
-- ?1 namespace, ?2 name, ?3 token, ?4 the new end, ?5 now. Table: locks. Returns nothing; it changes one row or none.
UPDATE locks SET ends_boot = ?4 WHERE namespace = ?1 AND name = ?2 AND token = ?3 AND ends_boot > ?5
