-- Schema version 1. Times are milliseconds: of the wall clock since 1970, or, where the name ends in _boot, of the
-- machine's boot clock. Reasons for this shape: docs/decisions/0003-sqlite-schema.md.

-- One row: the boot to which every *_boot column belongs. Whoever opens the file after a reboot ends all leases.
CREATE TABLE machine (
    boot_id TEXT NOT NULL
) STRICT;

CREATE TABLE namespaces (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- A row is never removed: last_token must not repeat, and processes remember the numbers of topics.
CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL,
    name TEXT NOT NULL,
    used INTEGER NOT NULL DEFAULT 0,          -- 1: it has had a job
    paused INTEGER NOT NULL DEFAULT 0,
    last_token INTEGER NOT NULL DEFAULT 0,
    UNIQUE (namespace, name)
) STRICT;

-- Live and finished jobs. The wide columns stand last: a look at the state does not read them.
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,                  -- the age
    topic INTEGER NOT NULL,
    id TEXT NOT NULL,
    state INTEGER NOT NULL,                   -- JobState: 0 scheduled, 1 waiting, 2 active, 3 completed, 4 failed, 5 cancelled
    place INTEGER NOT NULL,                   -- among the waiting: the priority, and far below 0 after a stall
    priority INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    stalls INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    lease_ends_boot INTEGER,                  -- while active
    max_stalls INTEGER,                       -- while active
    at_most_once INTEGER,                     -- while active
    request INTEGER,                          -- the turn that gave the current or last lease
    token INTEGER,                            -- of the current or last lease
    settled INTEGER NOT NULL DEFAULT 0,       -- 1: that token has settled the attempt
    created_at INTEGER NOT NULL,
    id_until INTEGER NOT NULL,                -- the end of the id window
    started_at INTEGER,
    finished_at INTEGER,
    end_order INTEGER,                        -- grows from one end to the next, within a millisecond too
    expires_at INTEGER,                       -- when completed or cancelled: the end of the retention
    keep_ms INTEGER,                          -- retention by time
    keep_count INTEGER,                       -- retention by number
    worker TEXT,                              -- of the current or last lease
    extras TEXT,
    progress TEXT,
    error TEXT,
    timeline TEXT,
    logs TEXT,
    payload_format INTEGER NOT NULL,
    result_format INTEGER,
    payload BLOB NOT NULL,
    result BLOB
) STRICT;

CREATE UNIQUE INDEX jobs_by_id ON jobs (topic, id);
-- Each step touches the index of the state that it leaves and of the one that it reaches, and these are all that a
-- claim looks at: it does not slow down with the number of finished jobs.
CREATE INDEX jobs_scheduled ON jobs (topic, run_at) WHERE state = 0;
CREATE INDEX jobs_waiting ON jobs (topic, place) WHERE state = 1;
CREATE INDEX jobs_active ON jobs (topic, lease_ends_boot) WHERE state = 2;
CREATE INDEX jobs_finished ON jobs (topic, state, end_order) WHERE state >= 3;
CREATE INDEX jobs_expiring ON jobs (topic, expires_at) WHERE expires_at IS NOT NULL;

-- Ids that outlive their record, until the end of their window.
CREATE TABLE ids (
    topic INTEGER NOT NULL,
    id TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (topic, id)
) WITHOUT ROWID, STRICT;
CREATE INDEX ids_until ON ids (topic, until);

-- The last request of each worker, to answer its repetition.
CREATE TABLE turns (
    topic INTEGER NOT NULL,
    worker TEXT NOT NULL,
    line INTEGER NOT NULL,
    request INTEGER NOT NULL,
    verdicts BLOB NOT NULL,                   -- a byte for each settlement: 1 accepted, 0 lease lost
    at INTEGER NOT NULL,
    PRIMARY KEY (topic, worker, line)
) WITHOUT ROWID, STRICT;

CREATE TABLE workers (
    namespace INTEGER NOT NULL,
    worker TEXT NOT NULL,
    info TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    mailbox TEXT NOT NULL,                    -- the name of its lock file and socket
    listens INTEGER NOT NULL,                 -- 0: it has no socket, and looks for changes by itself
    is_seen INTEGER NOT NULL,                 -- 0: file locks do not work here; nothing shows its end
    PRIMARY KEY (namespace, worker)
) WITHOUT ROWID, STRICT;

-- Who waits for a job of a topic, the longest first.
CREATE TABLE waiters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    topic INTEGER NOT NULL,
    worker TEXT NOT NULL,
    back_at INTEGER,                          -- when it comes by itself: the next event that it was told of
    UNIQUE (topic, worker)
) STRICT;

-- Who waits for the end of a job.
CREATE TABLE watchers (
    topic INTEGER NOT NULL,
    id TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    PRIMARY KEY (topic, id, mailbox)
) WITHOUT ROWID, STRICT;

-- A row is never removed: its token must not repeat.
CREATE TABLE locks (
    namespace INTEGER NOT NULL,
    name TEXT NOT NULL,
    token INTEGER NOT NULL,
    ends_boot INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID, STRICT;
