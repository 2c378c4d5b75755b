-- oqron:consume:rename
-- Gives a job another id, if no other job of the topic has it.
-- ?1 seq, ?2 the id. Table: jobs. Returns nothing.
UPDATE OR IGNORE jobs SET id = ?2 WHERE seq = ?1
