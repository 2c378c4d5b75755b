-- oqron:consume:unchanged_lease
-- A lease that is still the one that was seen.
-- ?1 topic, ?2 id, ?3 token, ?4 the end of the lease. Table: jobs. Returns the columns of a slot, at most one row.
SELECT seq, id, state, priority, attempts, stalls, cancel_requested, max_stalls, at_most_once, token, settled, worker,
       id_until, keep_ms, keep_count, timeline, logs
FROM jobs
WHERE topic = ?1 AND id = ?2 AND state = 2 AND token = ?3 AND lease_ends_boot = ?4
