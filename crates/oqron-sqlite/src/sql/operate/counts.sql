-- oqron:operate:counts
-- How many jobs there are in each state, in the order of the states' numbers, and whether the topic is paused.
-- ?1 topic. Tables: topics, jobs. Returns one row.
SELECT (SELECT count(*) FROM jobs INDEXED BY jobs_scheduled WHERE topic = ?1 AND state = 0),
       (SELECT count(*) FROM jobs INDEXED BY jobs_waiting WHERE topic = ?1 AND state = 1),
       (SELECT count(*) FROM jobs INDEXED BY jobs_active WHERE topic = ?1 AND state = 2),
       (SELECT count(*) FROM jobs INDEXED BY jobs_finished WHERE topic = ?1 AND state >= 3 AND state = 3),
       (SELECT count(*) FROM jobs INDEXED BY jobs_finished WHERE topic = ?1 AND state >= 3 AND state = 4),
       (SELECT count(*) FROM jobs INDEXED BY jobs_finished WHERE topic = ?1 AND state >= 3 AND state = 5),
       paused
FROM topics
WHERE id = ?1
