-- oqron:publish:insert
-- Adds one job, unless its id has a record.
-- ?1 topic, ?2 id, ?3 state, ?4 priority, ?5 run_at, ?6 now, ?7 the end of the id window, ?8 keep_ms, ?9 keep_count,
-- ?10 extras, ?11 and ?12 payload. Table: jobs. Returns nothing; it changes one row or none.
INSERT INTO jobs (topic, id, state, place, priority, run_at, created_at, id_until, keep_ms, keep_count, extras,
                  payload_format, payload)
VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (topic, id) DO NOTHING
