-- oqron:records:find
-- One whole record.
-- ?1 topic, ?2 id. Table: jobs. Returns all columns, by name, at most one row.
SELECT * FROM jobs WHERE topic = ?1 AND id = ?2
