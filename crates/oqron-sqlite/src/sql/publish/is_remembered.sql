-- oqron:publish:is_remembered
-- Whether an id is known although its record is gone.
-- ?1 topic, ?2 id, ?3 now. Table: ids. Returns one row: 0 or 1.
SELECT EXISTS (SELECT 1 FROM ids WHERE topic = ?1 AND id = ?2 AND until > ?3)
