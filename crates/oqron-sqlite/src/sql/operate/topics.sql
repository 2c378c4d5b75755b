-- oqron:operate:topics
-- Every topic that has ever had a job, by name.
-- ?1 namespace. Table: topics. Returns names.
SELECT name FROM topics WHERE namespace = ?1 AND used = 1 ORDER BY name
