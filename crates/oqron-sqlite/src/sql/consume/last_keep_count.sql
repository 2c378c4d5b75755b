-- oqron:consume:last_keep_count
-- The retention by number of the job that completed or was cancelled last.
-- ?1 topic. Table: jobs. Returns keep_count, NULL where it has none; no row where there is no such job.
SELECT keep_count
FROM (
    SELECT * FROM (
        SELECT end_order, keep_count FROM jobs INDEXED BY jobs_finished
        WHERE topic = ?1 AND state >= 3 AND state = 3 ORDER BY end_order DESC LIMIT 1
    )
    UNION ALL
    SELECT * FROM (
        SELECT end_order, keep_count FROM jobs INDEXED BY jobs_finished
        WHERE topic = ?1 AND state >= 3 AND state = 5 ORDER BY end_order DESC LIMIT 1
    )
)
ORDER BY end_order DESC
LIMIT 1
