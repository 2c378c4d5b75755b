-- oqron:shared:comes_back
-- Whether a waiting worker comes back by itself until a certain time. One that is overdue may be dead.
-- ?1 topic, ?2 the time, ?3 since when a worker is overdue, ?4 a worker to leave out, or an empty text. Table: waiters.
-- Returns one row: 0 or 1.
SELECT EXISTS (SELECT 1 FROM waiters WHERE topic = ?1 AND back_at BETWEEN ?3 AND ?2 AND worker <> ?4)
