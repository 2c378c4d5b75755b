-- oqron:shared:remember_id
-- Remembers the id of a record that goes before the id's window is over.
-- ?1 topic, ?2 id, ?3 the end of the window. Table: ids.
-- Keeps: an id is known until its window is over, whatever became of the job.
INSERT INTO ids (topic, id, until) VALUES (?1, ?2, ?3)
ON CONFLICT (topic, id) DO UPDATE SET until = excluded.until
