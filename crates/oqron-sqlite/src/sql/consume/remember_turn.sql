-- oqron:consume:remember_turn
-- Keeps the last request of a worker's line, to answer its repetition.
-- ?1 topic, ?2 worker, ?3 line, ?4 request, ?5 verdicts, ?6 now. Table: turns. Returns nothing.
INSERT INTO turns (topic, worker, line, request, verdicts, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (topic, worker, line) DO UPDATE SET request = excluded.request, verdicts = excluded.verdicts, at = excluded.at
