-- oqron:consume:remember_turn
-- Keeps a worker's last request, to answer its repetition.
-- ?1 topic, ?2 worker, ?3 request, ?4 verdicts, ?5 now. Table: turns. Returns nothing.
INSERT INTO turns (topic, worker, request, verdicts, at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (topic, worker) DO UPDATE SET request = excluded.request, verdicts = excluded.verdicts, at = excluded.at
