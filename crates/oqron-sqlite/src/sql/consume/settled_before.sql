-- oqron:consume:settled_before
-- Whether a job whose record is gone was ended by this very settlement.
-- ?1 topic, ?2 id, ?3 token, ?4 worker. Table: ids. Returns 0 or 1, or no row.
SELECT token IS ?3 AND worker IS ?4 FROM ids WHERE topic = ?1 AND id = ?2
