-- oqron:consume:forget_ids
-- Forgets ids whose window is over.
-- ?1 topic, ?2 now, ?3 how many. Table: ids. Returns nothing.
DELETE FROM ids
WHERE topic = ?1 AND id IN (
    SELECT id FROM ids INDEXED BY ids_until WHERE topic = ?1 AND until <= ?2 ORDER BY until LIMIT ?3
)
