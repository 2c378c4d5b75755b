-- oqron:consume:renew
-- Renews a lease that was found to be the worker's, and keeps what its handler reported.
-- ?1 seq, ?2 the end of the lease, ?3 progress or NULL, ?4 the whole log or NULL. Table: jobs. Returns nothing.
UPDATE jobs SET lease_ends_boot = ?2, progress = coalesce(?3, progress), logs = coalesce(?4, logs) WHERE seq = ?1
