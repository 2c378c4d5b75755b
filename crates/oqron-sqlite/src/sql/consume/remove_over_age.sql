-- oqron:consume:remove_over_age
-- Removes finished records that expire until a time, the first to expire first.
-- ?1 topic, ?2 the time, ?3 how many. Table: jobs. Returns nothing.
DELETE FROM jobs WHERE seq IN (
    SELECT seq FROM jobs INDEXED BY jobs_expiring
    WHERE topic = ?1 AND expires_at IS NOT NULL AND expires_at <= ?2
    ORDER BY expires_at, end_order, seq
    LIMIT ?3
)
