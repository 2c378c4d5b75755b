-- oqron:publish:topic
-- What an add needs to know of its topic.
-- ?1 topic, ?2 now. Tables: topics, ids, jobs.
-- Returns: whether it is paused, whether an id outlives its record, when the next scheduled job is due.
SELECT paused,
       EXISTS (SELECT 1 FROM ids WHERE topic = ?1 AND until > ?2),
       (SELECT min(run_at) FROM jobs WHERE topic = ?1 AND state = 0)
FROM topics
WHERE id = ?1
