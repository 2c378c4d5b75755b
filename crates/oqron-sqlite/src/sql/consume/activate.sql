-- oqron:consume:activate
-- Gives one waiting job to a worker.
-- ?1 seq, ?2 attempts, ?3 the end of the lease, ?4 max_stalls, ?5 at_most_once, ?6 request, ?7 token, ?8 now, ?9 worker.
-- Table: jobs. Returns nothing.
-- Keeps: a token is new with every claim.
UPDATE jobs
SET state = 2, attempts = ?2, lease_ends_boot = ?3, max_stalls = ?4, at_most_once = ?5, request = ?6, token = ?7,
    settled = 0, started_at = ?8, worker = ?9, place = priority
WHERE seq = ?1
