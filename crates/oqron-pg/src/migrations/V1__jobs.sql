-- Version 1: all tables, and the functions that other statements share. `oqron.` is replaced by the configured schema.
--
-- jobs       what has not ended: small and hot. One row a job; a claim and a settlement rewrite it.
-- finished   what has ended: append-only, trimmed in bounded batches.
-- ids        ids that outlive their record.
--
-- Invariant: an id of a topic is in at most one of `jobs` and `finished`. A job moves between them in one statement.
-- All times are milliseconds since 1970 by the clock of the server; the view `oqron.overview` shows them to people.
-- States: 0 scheduled, 1 waiting, 2 active, 3 completed, 4 failed, 5 cancelled.

create sequence oqron.ages;
create sequence oqron.tokens;

create table oqron.topics (
    id        integer generated always as identity primary key,
    namespace text collate "C" not null,
    name      text collate "C" not null,
    paused    boolean not null default false,
    has_jobs  boolean not null default false,
    unique (namespace, name)
);

create table oqron.jobs (
    seq              bigint not null,   -- the job's age: the order of the adds
    created_at       bigint not null,
    run_at           bigint not null,
    started_at       bigint,
    lease_until      bigint,            -- set while active
    token            bigint,            -- of the current or last lease
    request          bigint,            -- the turn that gave the lease
    retain_ms        bigint,            -- null: without a limit of time
    retain_count     bigint,            -- null: without a limit of number
    id_window_ms     bigint not null,
    topic            integer not null,
    priority         integer not null,
    attempts         integer not null default 0,
    stalls           integer not null default 0,
    max_stalls       integer,           -- of the lease
    state            smallint not null,
    lane             smallint not null, -- of a waiting job: 0 stalled, 1 came back or came late, 2 was added
    payload_format   integer not null,
    at_most_once     boolean not null default false, -- of the lease
    cancel_requested boolean not null default false,
    settled          boolean not null default false, -- the last lease ended by a settlement
    id               text collate "C" not null,
    worker           text collate "C",
    extras           text,
    progress         text,
    error            text,
    logs             text[],            -- JSON, one line an element
    timeline         text[],            -- JSON, one event an element
    payload          bytea not null,
    primary key (topic, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000);

-- What was added, in the order of claims: claims begin at a remembered mark, see docs/decisions/0004-postgres-claim.md.
create index jobs_added on oqron.jobs (topic, priority, seq) where state = 1 and lane = 2;
-- What appears below every mark: stalled, retried, released, promoted, or added in somebody's transaction.
create index jobs_returned on oqron.jobs (topic, lane, priority, seq) where state = 1 and lane < 2;
create index jobs_scheduled on oqron.jobs (topic, run_at) where state = 0;
create index jobs_leases on oqron.jobs (topic, lease_until) where state = 2;
create index jobs_held on oqron.jobs (topic, worker, request) where state = 2;

create table oqron.finished (
    seq              bigint not null,
    created_at       bigint not null,
    run_at           bigint not null,
    started_at       bigint,
    finished_at      bigint not null,
    expires_at       bigint not null,
    token            bigint,
    retain_ms        bigint,
    retain_count     bigint,
    id_window_ms     bigint not null,
    topic            integer not null,
    priority         integer not null,
    attempts         integer not null,
    stalls           integer not null,
    state            smallint not null,
    payload_format   integer not null,
    result_format    integer,
    cancel_requested boolean not null,
    settled          boolean not null,
    id               text collate "C" not null,
    worker           text collate "C",
    extras           text,
    progress         text,
    error            text,
    logs             text[],
    timeline         text[],
    payload          bytea not null,
    result           bytea,
    primary key (topic, id)
);
create index finished_by_end on oqron.finished (topic, state, finished_at, seq);
create index finished_by_expiry on oqron.finished (topic, expires_at, seq) where state <> 4;

create table oqron.ids (
    topic       integer not null,
    id          text collate "C" not null,
    known_until bigint not null,        -- an add of the id until then is answered as existing
    kept_until  bigint not null,        -- a settlement repeated until then is answered as accepted
    token       bigint,
    worker      text collate "C",
    primary key (topic, id)
);
create index ids_by_end on oqron.ids (topic, kept_until);

-- The requests that a worker has made, so that a repeated one is recognised. Rows are added and never changed: a row that
-- is rewritten by each turn becomes a chain of dead versions while somebody holds an old snapshot.
create table oqron.turns (
    topic   integer not null,
    worker  text collate "C" not null,
    request bigint not null,
    xid     xid8 not null,
    primary key (topic, worker, request)
);

-- Of these requests, those with settlements that were refused, so that a repeated one gets the same verdicts, whatever has
-- become of the jobs since.
create table oqron.refused (
    topic   integer not null,
    worker  text collate "C" not null,
    request bigint not null,
    places  integer[] not null,         -- in the arrays of the request, from 1
    primary key (topic, worker, request)
);

create table oqron.workers (
    namespace  text collate "C" not null,
    id         text collate "C" not null,
    info       text not null,           -- JSON
    seen_at    bigint not null,
    visible    boolean not null,        -- others can see the end of its presence
    primary key (namespace, id)
);

create table oqron.locks (
    namespace  text collate "C" not null,
    name       text collate "C" not null,
    token      bigint not null,
    held_until bigint not null,         -- 0: nobody holds it; the row stays, so that tokens go on
    primary key (namespace, name)
);

-- Since when this run of the server has lasted: one row, made by the first who looks. A crash, and the promotion of a
-- standby, empty a table that is not logged, and they end every session, which `pg_postmaster_start_time` does not tell.
create unlogged table oqron.run (
    one      boolean primary key default true check (one),
    began_at bigint not null
);
insert into oqron.run (began_at) values (0);

-- Workers that came up short and wait for a wake-up. Rows are added and removed, never changed, and found by their time.
create unlogged table oqron.waiters (
    topic  integer not null,
    since  bigint not null,
    key    bigint not null,             -- of the presence: its advisory lock and its channel
    due_at bigint,                      -- when it will look by itself; null: it knows of nothing
    primary key (topic, since, key)
);

-- Publishers that wait for the end of a job.
create unlogged table oqron.watchers (
    topic       integer not null,
    id          text collate "C" not null,
    channel     text collate "C" not null,
    watch_until bigint not null,
    primary key (topic, id, channel)
);

-- Wake-ups that are due when the transaction of an add_in commits.
create unlogged table oqron.wakes (
    id     bigint generated always as identity primary key,
    topic  integer not null,
    jobs   integer not null,
    run_at bigint
);

create function oqron.now_ms() returns bigint language sql volatile as
$$ select floor(extract(epoch from clock_timestamp()) * 1000)::bigint $$;

-- Whatever somebody wrote into a row by hand, it must not make the turn fail that meets it.
create function oqron.later(at bigint, ms bigint) returns bigint language sql immutable as
$$ select case when ms > 9223372036854775807 - greatest(at, 0) then 9223372036854775807
               else greatest(at, 0) + greatest(ms, 0) end $$;

-- When a record of a job that ended then expires. Without a limit of time: after all that have one, in the order of the ends.
create function oqron.expires_at(ended bigint, retain_ms bigint) returns bigint language sql immutable as
$$ select case when retain_ms is null then ended + 9000000000000000000 else oqron.later(ended, retain_ms) end $$;

-- The last `at_most` of a list with more behind it.
create function oqron.newest(old text[], more text[], at_most integer) returns text[] language sql immutable as
$$ select (coalesce(old, '{}') || coalesce(more, '{}'))
          [greatest(1, coalesce(cardinality(old), 0) + coalesce(cardinality(more), 0) - at_most + 1):] $$;

-- One event of a timeline. `reason` is JSON: null, or a text in quotes.
create function oqron.event(at bigint, kind text, worker text, reason text) returns text language sql immutable as
$$ select '{"at":' || at || ',"kind":"' || kind || '"'
       || coalesce(',"worker":"' || worker || '"', '') || coalesce(',"reason":' || reason, '') || '}' $$;

-- The advisory lock that a present worker holds; in hexadecimal, the name of its channel.
create function oqron.presence_key(namespace text, worker text) returns bigint language sql immutable as
$$ select hashtextextended('oqron.' || '/' || namespace || '/' || worker, 0) $$;

create function oqron.channel(key bigint) returns text language sql immutable as
$$ select 'oqron_' || to_hex(key) $$;

-- The id of a topic, which is made if it is new.
create function oqron.topic_id(p_namespace text, p_name text) returns integer language plpgsql as $$
declare
    found_id integer;
begin
    select id into found_id from oqron.topics where namespace = p_namespace and name = p_name;
    if found_id is null then
        insert into oqron.topics (namespace, name) values (p_namespace, p_name) on conflict do nothing;
        select id into found_id from oqron.topics where namespace = p_namespace and name = p_name;
    end if;
    return found_id;
end $$;

-- Wakes up to `p_jobs` waiters of a topic, those first that have waited longest.
-- p_run_at  not null: only those that would sleep beyond this time, and only if nobody comes before it by itself
-- p_since   waiters before it were woken before: an accelerator, 0 looks at all whose registration still counts
-- p_but     the key of a worker that is not woken and that nobody counts on, or null
-- Returns the next `p_since`. A waiter whose presence is gone is removed and counts for nothing: its lock is free.
create function oqron.wake(p_topic integer, p_jobs integer, p_run_at bigint, p_since bigint, p_but bigint)
returns bigint language plpgsql as $$
declare
    waiter  record;
    woken   integer := 0;
    started bigint := oqron.now_ms();
    mark    bigint := greatest(p_since, started - 1000);
begin
    if p_run_at is not null and exists (
        select from oqron.waiters w
        where w.topic = p_topic and w.since >= started - 90000 and w.key is distinct from p_but
          and case when w.due_at <= p_run_at then not pg_try_advisory_xact_lock(w.key) else false end)
    then
        return p_since;
    end if;
    for waiter in
        select w.since, w.key from oqron.waiters w
        where w.topic = p_topic and w.since >= greatest(p_since, started - 90000)
          and (p_run_at is null or w.due_at is null or w.due_at > p_run_at)
          and w.key is distinct from p_but
        order by w.since for update skip locked
    loop
        if woken >= p_jobs then
            mark := waiter.since;
            exit;
        end if;
        delete from oqron.waiters w where w.topic = p_topic and w.since = waiter.since and w.key = waiter.key;
        -- Presences share the lock, so that a worker can join again before its last presence is gone.
        if not pg_try_advisory_xact_lock(waiter.key) then
            perform pg_notify(oqron.channel(waiter.key), 'w:' || p_topic);
            woken := woken + 1;
        end if;
    end loop;
    return case when p_run_at is null then mark else p_since end;
end $$;

create function oqron.wake_at_commit() returns trigger language plpgsql as $$
begin
    perform oqron.wake(new.topic, new.jobs, new.run_at, 0, null);
    delete from oqron.wakes where id = new.id;
    return null;
end $$;

create constraint trigger wakes_at_commit after insert on oqron.wakes
    deferrable initially deferred for each row execute function oqron.wake_at_commit();

-- Adds jobs to a topic: all or none. Returns the ids that are new.
-- p_delays   milliseconds from now, or null; p_run_ats: a time, or null; both null: now
-- p_lane     2 for a transaction of its own that commits at once, 1 for one of the caller's that may commit late
-- p_wake     wake the waiters when the transaction commits
--
-- Invariant: an id is made at most once. While a job moves from `jobs` to `finished`, an add whose snapshot is older than
-- the move sees it in neither; so what was inserted is checked again by a second statement with a newer snapshot, and
-- where snapshots do not get newer (repeatable read) the unique indexes are asked, which know no snapshots.
create function oqron.enqueue_jobs(
    p_topic integer, p_ids text[], p_payloads bytea[], p_formats integer[], p_priorities integer[],
    p_delays bigint[], p_run_ats bigint[], p_retain_ms bigint[], p_retain_counts bigint[],
    p_id_windows bigint[], p_extras text[], p_lane smallint, p_wake boolean
) returns text[] language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    made    text[];
    known   text[];
    now     bigint := oqron.now_ms();
    due     integer;
    next_at bigint;
begin
    -- A transaction gets its number before its jobs get theirs: claims hold their marks back for the transactions they
    -- see open, and so miss no job of one that commits after a younger one.
    perform pg_current_xact_id();
    with given as (
        select nextval('oqron.ages') as seq, g.* from (
            select * from unnest(p_ids, p_payloads, p_formats, p_priorities, p_delays, p_run_ats, p_retain_ms,
                                 p_retain_counts, p_id_windows, p_extras)
                with ordinality as u(id, payload, format, priority, delay, run_at, retain_ms, retain_count, id_window,
                                     extras, ord)
            order by ord
        ) g
    ), timed as materialized (
        select given.*, greatest(coalesce(given.run_at, now + given.delay, now), now) as start_at from given
    ), inserted as (
        insert into oqron.jobs (seq, created_at, run_at, retain_ms, retain_count, id_window_ms, topic, priority,
                                state, lane, payload_format, id, extras, payload)
        select seq, now, start_at, retain_ms, retain_count, id_window, p_topic, priority,
               case when start_at > now then 0 else 1 end, p_lane, format, id, extras, payload
        from timed
        order by id collate "C", ord -- everybody locks ids in the same order
        on conflict (topic, id) do nothing
        returning id, run_at
    )
    select array_agg(id), count(*) filter (where run_at <= now), min(run_at) filter (where run_at > now)
    into made, due, next_at
    from inserted;

    if made is null then
        return '{}';
    end if;

    if current_setting('transaction_isolation') <> 'read committed' then
        -- A row that this snapshot does not see makes these fail with a serialization error.
        insert into oqron.finished (seq, created_at, run_at, finished_at, expires_at, id_window_ms, topic, priority,
                                    attempts, stalls, state, payload_format, cancel_requested, settled, id, payload)
        select 0, 0, 0, 0, 0, 0, p_topic, 0, 0, 0, -1, 0, false, false, m, '' from unnest(made) m order by m collate "C"
        on conflict do nothing;
        delete from oqron.finished f using unnest(made) m where f.topic = p_topic and f.id = m and f.state = -1;
        insert into oqron.ids (topic, id, known_until, kept_until)
        select p_topic, m, -1, -1 from unnest(made) m order by m collate "C" on conflict do nothing;
        delete from oqron.ids i using unnest(made) m where i.topic = p_topic and i.id = m and i.known_until = -1;
    end if;

    -- One row each, and no `exists`: the planner could hash all of the topic.
    select array_agg(m) into known from unnest(made) m
    where (select true from oqron.finished f where f.topic = p_topic and f.id = m)
       or (select true from oqron.ids i where i.topic = p_topic and i.id = m and i.known_until > now);
    if known is not null then
        delete from oqron.jobs j using unnest(known) k where j.topic = p_topic and j.id = k;
        select coalesce(array_agg(m), '{}') into made from unnest(made) m where m <> all (known);
    end if;

    update oqron.topics set has_jobs = true where id = p_topic and not has_jobs;
    if p_wake and due > 0 then
        insert into oqron.wakes (topic, jobs) values (p_topic, due);
    end if;
    if p_wake and next_at is not null then
        insert into oqron.wakes (topic, jobs, run_at) values (p_topic, 1, next_at);
    end if;
    return made;
end $$;

-- The same for an add in a transaction of its own, which commits at once and wakes nobody: one job, or jobs whose ids ascend.
-- `p_first` is false if the caller knows that the topic had jobs before. Plans are those of sessions that Oqron opens.
-- Returns whether it is new.
create function oqron.add_one(
    p_topic integer, p_id text, p_payload bytea, p_format integer, p_priority integer, p_delay bigint, p_run_at bigint,
    p_retain_ms bigint, p_retain_count bigint, p_id_window bigint, p_extras text, p_first boolean
) returns boolean language plpgsql as $$
declare
    -- Before the job gets its number, as above.
    xid      constant xid8 := pg_current_xact_id();
    now      constant bigint := oqron.now_ms();
    start_at constant bigint := greatest(coalesce(p_run_at, now + p_delay, now), now);
begin
    insert into oqron.jobs (seq, created_at, run_at, retain_ms, retain_count, id_window_ms, topic, priority,
                            state, lane, payload_format, id, extras, payload)
    values (nextval('oqron.ages'), now, start_at, p_retain_ms, p_retain_count, p_id_window, p_topic, p_priority,
            case when start_at > now then 0 else 1 end, 2, p_format, p_id, p_extras, p_payload)
    on conflict (topic, id) do nothing;
    if not found then
        return false;
    end if;
    -- A range with an order, so that whatever the tables held when the plan was made, it goes by the key.
    if (select true from oqron.finished f where f.topic = p_topic and f.id >= p_id and f.id <= p_id order by f.id limit 1)
       or (select i.known_until > now from oqron.ids i
           where i.topic = p_topic and i.id >= p_id and i.id <= p_id order by i.id limit 1)
    then
        delete from oqron.jobs j where j.topic = p_topic and j.id = p_id;
        return false;
    end if;
    if p_first then
        update oqron.topics set has_jobs = true where id = p_topic and not has_jobs;
    end if;
    return true;
end $$;

-- Returns the ids that are new, or null: all are.
create function oqron.add_many(
    p_topic integer, p_ids text[], p_payloads bytea[], p_formats integer[], p_priorities integer[],
    p_delays bigint[], p_run_ats bigint[], p_retain_ms bigint[], p_retain_counts bigint[],
    p_id_windows bigint[], p_extras text[], p_first boolean
) returns text[] language plpgsql as $$
declare
    xid   constant xid8 := pg_current_xact_id();
    now   constant bigint := oqron.now_ms();
    added bigint;
    made  text[];
    known text[];
begin
    insert into oqron.jobs (seq, created_at, run_at, retain_ms, retain_count, id_window_ms, topic, priority,
                            state, lane, payload_format, id, extras, payload)
    select nextval('oqron.ages'), now, greatest(coalesce(u.run_at, now + u.delay, now), now), u.retain_ms, u.retain_count,
           u.id_window, p_topic, u.priority, case when coalesce(u.run_at, now + u.delay, now) > now then 0 else 1 end, 2,
           u.format, u.id, u.extras, u.payload
    from unnest(p_ids, p_payloads, p_formats, p_priorities, p_delays, p_run_ats, p_retain_ms, p_retain_counts,
                p_id_windows, p_extras)
        as u(id, payload, format, priority, delay, run_at, retain_ms, retain_count, id_window, extras)
    on conflict (topic, id) do nothing;
    get diagnostics added = row_count;
    if added < cardinality(p_ids) then
        -- Those that this transaction made.
        select coalesce(array_agg(g.id), '{}') into made
        from unnest(p_ids) as g(id)
        where (select j.xmin = xid::xid from oqron.jobs j where j.topic = p_topic and j.id = g.id);
    end if;
    select array_agg(g.id) into known
    from unnest(coalesce(made, p_ids)) as g(id)
    where (select true from oqron.finished f where f.topic = p_topic and f.id >= g.id and f.id <= g.id order by f.id limit 1)
       or (select i.known_until > now from oqron.ids i
           where i.topic = p_topic and i.id >= g.id and i.id <= g.id order by i.id limit 1);
    if known is not null then
        delete from oqron.jobs j
        using (select p_topic as topic, u.id from unnest(known) as u(id) offset 0) k
        where j.topic = any (array[k.topic]) and j.id = k.id;
        select coalesce(array_agg(m), '{}') into made from unnest(coalesce(made, p_ids)) m where m <> all (known);
    end if;
    if p_first and cardinality(made) is distinct from 0 then
        update oqron.topics set has_jobs = true where id = p_topic and not has_jobs;
    end if;
    return made;
end $$;

-- One turn, for what is usual: attempts that completed and reported nothing, and a claim. Everything else goes through
-- `settle.sql` before it, in the same transaction. Small statements, each with one plan that cannot be a bad one: one large
-- statement costs the server several times as much before it reads the first row, and what is rare is not in their way.
-- Plans last as long as the session, and may be made while a table is empty. So rows are found by their key in ways that
-- leave no other plan: `topic = any (array[…])` against a row that the planner cannot look into (`offset 0`) is a condition for
-- an index and not one for a merge, so that the jobs of a topic are never the side that is read whole; a range with an order
-- asks for one index.
--
-- p_ids        completed attempts in the order of ids, none twice, with p_tokens, p_results, p_formats; or null
-- p_max        jobs to claim at most; null: no claim. p_from_…, p_to_priority: ranges of the index of added jobs, in its order
-- p_key        of the worker's presence, or null
-- p_leases_from, p_runs_from   no lease ends and no scheduled job starts before them: marks of the last call, 0 to look at all
-- p_look       whether to say what is due next
--
-- Returns first a row with the columns from `refused` on, whose `id` is null:
--   refused       places in p_ids, from 1, that were not accepted, or null
--   repeated      this request was carried out before: what is given are its verdicts and the leases that it still holds
--   more          a larger claim would have got more          waiters  somebody could be woken
--   unwatched     somebody could be woken, and of the others nobody comes by itself before the new leases end
--   snapshot      the transactions that were open before the claim, for the marks
--   ready_until   everything that was due at this time has become waiting; null if more is left
--   lease_until, run_at, took_us   what is due next and how long that look took, if it was asked for
-- and then one for each lease.
--
-- Invariants: a row ends only under the token and worker of its lease, and moves in this one transaction; a row becomes active
-- only under its lock and only while it is waiting.
create function oqron.take_turn(
    p_topic integer, p_worker text, p_request bigint,
    p_ids text[], p_tokens bigint[], p_results bytea[], p_formats integer[],
    p_max bigint, p_lease_ms bigint, p_at_most_once boolean, p_max_stalls integer,
    p_from_priority integer[], p_from_seq bigint[], p_to_priority integer[],
    p_key bigint, p_leases_from bigint, p_runs_from bigint, p_look boolean, p_ready_max bigint
) returns table (
    id text, token bigint, attempts integer, stalls integer, payload_format integer, payload bytea, extras text,
    created_at bigint, priority integer, seq bigint, lane smallint,
    refused integer[], paused boolean, repeated boolean, more boolean, waiters boolean, unwatched boolean,
    leases_until bigint, snapshot text, ready_until bigint, lease_until bigint, run_at bigint, at bigint, took_us bigint
) language plpgsql as $$
#variable_conflict use_column
declare
    forever   constant bigint := 9223372036854775807;
    given     bigint := cardinality(p_ids);
    forgotten bigint := 0;
    ended     bigint;
    came_back boolean;
    listened  boolean;
    chosen    text[];
    of_returned bigint;
    last_priority integer;
    last_seq  bigint;
    began     timestamptz;
    looked    timestamptz;
    now       bigint;
begin
    insert into oqron.turns (topic, worker, request, xid) values (p_topic, p_worker, p_request, pg_current_xact_id())
    on conflict do nothing;
    -- A copy of the request that was under way has been waited for.
    repeated := not found and not exists (
        select from oqron.turns t where t.topic = p_topic and t.worker = p_worker and t.request = p_request
                                    and t.xid = pg_current_xact_id());
    now := oqron.now_ms();

    if given > 0 and repeated then
        select r.places into refused from oqron.refused r
        where r.topic = p_topic and r.worker = p_worker and r.request = p_request;
    elsif given > 0 then
        -- In the order of ids, as a heartbeat locks them.
        with gone as (
            delete from oqron.jobs j
            using (select p_topic as topic, *
                   from unnest(p_ids, p_tokens, p_results, p_formats) as u(id, token, result, format) offset 0) g
            where j.topic = any (array[g.topic]) and j.id = g.id
              and j.state + 0 = 2 and j.token = g.token and j.worker = p_worker
              and j.retain_count is distinct from 0 and j.retain_ms is distinct from 0
            returning j.seq, j.created_at, j.run_at, j.started_at, j.token, j.retain_ms, j.retain_count, j.id_window_ms,
                      j.topic, j.priority, j.attempts, j.stalls, j.payload_format, g.format, j.cancel_requested, j.id,
                      j.worker, j.extras, j.progress, j.error, j.logs, j.timeline, j.payload, g.result
        )
        insert into oqron.finished (seq, created_at, run_at, started_at, finished_at, expires_at, token, retain_ms,
                                    retain_count, id_window_ms, topic, priority, attempts, stalls, state, payload_format,
                                    result_format, cancel_requested, settled, id, worker, extras, progress, error, logs,
                                    timeline, payload, result)
        select seq, created_at, run_at, started_at, now,
               oqron.expires_at(now, retain_ms), token, retain_ms,
               retain_count, id_window_ms, topic, priority, attempts, stalls, 3, payload_format,
               format, cancel_requested, true, id, worker, extras, progress, error, logs,
               timeline, payload, result
        from gone;
        get diagnostics ended = row_count;
        if ended < given then
            with gone as (
                delete from oqron.jobs j
                using (select p_topic as topic, * from unnest(p_ids, p_tokens) as u(id, token) offset 0) g
                where j.topic = any (array[g.topic]) and j.id = g.id
                  and j.state + 0 = 2 and j.token = g.token and j.worker = p_worker
                  and (j.retain_count = 0 or j.retain_ms = 0)
                returning j.topic, j.id, j.created_at, j.id_window_ms, j.token, j.worker
            )
            -- The token stays a minute in any case, so that a repeated settlement is recognised.
            insert into oqron.ids (topic, id, known_until, kept_until, token, worker)
            select topic, id, oqron.later(created_at, id_window_ms),
                   greatest(oqron.later(created_at, id_window_ms), now + 60000), token, worker
            from gone
            on conflict (topic, id) do update
                set known_until = excluded.known_until, kept_until = excluded.kept_until,
                    token = excluded.token, worker = excluded.worker;
            get diagnostics forgotten = row_count;
            ended := ended + forgotten;
        end if;
        if ended < given then
            -- What was ended by this very settlement before is accepted, as what was ended just now.
            select array_agg(g.ord::integer order by g.ord) into refused
            from (select p_topic as topic, *
                  from unnest(p_ids, p_tokens) with ordinality as u(id, token, ord) offset 0) g
            where not coalesce((select f.token = g.token and f.worker = p_worker and f.settled from oqron.finished f
                                where f.topic = g.topic and f.id >= g.id and f.id <= g.id order by f.id limit 1), false)
              and not coalesce((select i.token = g.token and i.worker = p_worker from oqron.ids i
                                where i.topic = g.topic and i.id >= g.id and i.id <= g.id order by i.id limit 1), false)
              and not coalesce((select j.token = g.token and j.worker = p_worker and j.settled from oqron.jobs j
                                where j.topic = g.topic and j.id = g.id), false);
            if refused is not null then
                insert into oqron.refused (topic, worker, request, places)
                values (p_topic, p_worker, p_request, refused);
            end if;
        end if;
    end if;

    -- Everything that a claim has to know, in one look.
    select clock_timestamp(), t.paused, pg_current_snapshot()::text,
           (select j.lane from oqron.jobs j where j.topic = p_topic and j.state = 1 and j.lane < 2
            order by j.lane, j.priority, j.seq limit 1) is not null,
           (select j.lease_until from oqron.jobs j
            where j.topic = p_topic and j.state = 2 and j.lease_until >= p_leases_from
              and j.lease_until <= case when p_look then forever else now end
            order by j.lease_until limit 1),
           (select j.run_at from oqron.jobs j
            where j.topic = p_topic and j.state = 0 and j.run_at >= p_runs_from
              and j.run_at <= case when p_look then forever else now end
            order by j.run_at limit 1),
           (select w.since from oqron.waiters w where w.topic = p_topic and w.since >= now - 90000
            order by w.since limit 1) is not null,
           given > 0 and pg_relation_size('oqron.watchers') > 0, clock_timestamp()
    into began, paused, snapshot, came_back, lease_until, run_at, waiters, listened, looked
    from oqron.topics t where t.id = p_topic;
    if listened then
        with told as (
            delete from oqron.watchers w
            using (select p_topic as topic, u.id from unnest(p_ids) as u(id) offset 0) g
            where w.topic = any (array[g.topic]) and w.id = g.id
              and (select true from oqron.jobs j where j.topic = w.topic and j.id = w.id) is null
            returning pg_notify(w.channel, 'f:' || w.topic || ':' || w.id))
        select count(*) into forgotten from told;
    end if;
    if p_look then
        took_us := extract(epoch from looked - began) * 1000000;
    end if;

    more := false;
    if p_max is not null and not repeated and not paused then
        ready_until := now;
        if lease_until <= now or run_at <= now then
            -- Scheduled jobs whose time has come become waiting, expired leases are reclaimed. Bounded. A lease is taken from
            -- its worker only while it is expired under the row's lock.
            with clock as materialized (
                select now as now
            ), due as materialized (
                select j.topic, j.id from oqron.jobs j
                where j.topic = p_topic and j.state = 0 and j.run_at >= p_runs_from and j.run_at <= now
                order by j.run_at
                limit p_ready_max
                for update skip locked
            ), promoted as (
                update oqron.jobs j set state = 1, lane = 1 from due where j.topic = due.topic and j.id = due.id
                returning j.id
            ), stalled as materialized (
                select j.topic, j.id, j.stalls, j.max_stalls, j.at_most_once, j.cancel_requested, '"lease expired"' as reason
                from oqron.jobs j
                where j.topic = p_topic and j.state = 2 and j.lease_until >= p_leases_from and j.lease_until <= now
                order by j.lease_until
                limit p_ready_max
                for update skip locked
            ), --include stall
            select case when (select count(*) from stalled) < p_ready_max and (select count(*) from due) < p_ready_max
                        then now end
            into ready_until;
            came_back := true;
            select (select j.lease_until from oqron.jobs j
                    where j.topic = p_topic and j.state = 2 and j.lease_until >= p_leases_from
                    order by j.lease_until limit 1),
                   (select j.run_at from oqron.jobs j
                    where j.topic = p_topic and j.state = 0 and j.run_at >= p_runs_from
                    order by j.run_at limit 1)
            into lease_until, run_at;
        end if;

        if p_max > 0 and not came_back then
            select array_agg(c.id), (array_agg(c.priority))[count(*)], (array_agg(c.seq))[count(*)]
            into chosen, last_priority, last_seq
            from (
                select f.* from unnest(p_from_priority, p_from_seq, p_to_priority) as r(from_priority, from_seq, to_priority)
                cross join lateral (
                    select j.id, j.priority, j.seq from oqron.jobs j
                    where j.topic = p_topic and j.state = 1 and j.lane = 2
                      and (j.priority, j.seq) >= (r.from_priority, r.from_seq) and j.priority <= r.to_priority
                    order by j.priority, j.seq
                    limit p_max
                    for update skip locked
                ) f
                limit p_max
            ) c;
        elsif p_max > 0 then
            -- Stalled ones first, then by priority, then by age. Every row that is locked is taken too: a claim beside this
            -- one passes over locked rows, sets its mark behind them, and nobody would look back. So first how many of each
            -- kind; what others have locked of one kind, the other makes up for.
            select count(*) filter (where f.lane < 2) into of_returned
            from (
                select f.lane from (
                    (select j.lane, j.priority, j.seq from oqron.jobs j
                     where j.topic = p_topic and j.state = 1 and j.lane < 2
                     order by j.lane, j.priority, j.seq
                     limit p_max)
                    union all
                    (select f.* from unnest(p_from_priority, p_from_seq, p_to_priority) as r(from_priority, from_seq, to_priority)
                     cross join lateral (
                         select j.lane, j.priority, j.seq from oqron.jobs j
                         where j.topic = p_topic and j.state = 1 and j.lane = 2
                           and (j.priority, j.seq) >= (r.from_priority, r.from_seq) and j.priority <= r.to_priority
                         order by j.priority, j.seq
                         limit p_max
                     ) f
                     limit p_max)
                ) f
                order by f.lane <> 0, f.priority, f.seq
                limit p_max
            ) f;
            with returned as materialized (
                select j.id, j.lane, j.priority, j.seq from oqron.jobs j
                where j.topic = p_topic and j.state = 1 and j.lane < 2
                order by j.lane, j.priority, j.seq
                limit of_returned
                for update skip locked
            ), added as materialized (
                select f.* from unnest(p_from_priority, p_from_seq, p_to_priority) as r(from_priority, from_seq, to_priority)
                cross join lateral (
                    select j.id, j.lane, j.priority, j.seq from oqron.jobs j
                    where j.topic = p_topic and j.state = 1 and j.lane = 2
                      and (j.priority, j.seq) >= (r.from_priority, r.from_seq) and j.priority <= r.to_priority
                    order by j.priority, j.seq
                    limit p_max
                    for update skip locked
                ) f
                limit p_max - (select count(*) from returned)
            ), rest as materialized (
                select j.id, j.lane, j.priority, j.seq from oqron.jobs j
                where j.topic = p_topic and j.state = 1 and j.lane < 2 and j.id <> all (array(select id from returned))
                order by j.lane, j.priority, j.seq
                limit p_max - (select count(*) from returned) - (select count(*) from added)
                for update skip locked
            )
            select array_agg(c.id) into chosen
            from (select f.id from (select * from returned union all select * from added union all select * from rest) f
                  order by f.lane <> 0, f.priority, f.seq) c;
        end if;

        leases_until := now + p_lease_ms;
        if chosen is not null then
            return query
            update oqron.jobs j
            set state = 2, attempts = least(j.attempts, 2147483646) + 1, token = nextval('oqron.tokens'), worker = p_worker,
                request = p_request, started_at = now, lease_until = now + p_lease_ms, at_most_once = p_at_most_once,
                max_stalls = p_max_stalls, settled = false
            from (select p_topic as topic, u.id from unnest(chosen) as u(id) offset 0) c
            where j.topic = any (array[c.topic]) and j.id = c.id
            returning j.id, j.token, j.attempts, j.stalls, j.payload_format, j.payload, j.extras, j.created_at, j.priority,
                      j.seq, j.lane, null::integer[], null::boolean, null::boolean, null::boolean, null::boolean,
                      null::boolean, null::bigint, null::text, null::bigint, null::bigint, null::bigint, null::bigint,
                      null::bigint;
            lease_until := least(lease_until, leases_until);
        end if;

        if p_max = 0 or came_back and cardinality(chosen) = p_max then
            more := (select j.lane from oqron.jobs j where j.topic = p_topic and j.state = 1 and j.lane < 2
                     order by j.lane, j.priority, j.seq limit 1) is not null
                 or (select j.lane from oqron.jobs j where j.topic = p_topic and j.state = 1 and j.lane = 2
                     order by j.priority, j.seq limit 1) is not null;
        elsif cardinality(chosen) = p_max then
            more := (select j.lane from oqron.jobs j
                     where j.topic = p_topic and j.state = 1 and j.lane = 2
                       and (j.priority, j.seq) > (last_priority, last_seq)
                     order by j.priority, j.seq limit 1) is not null;
        end if;
        unwatched := false;
        if waiters and chosen is not null then
            unwatched := exists (
                select from oqron.waiters w
                where w.topic = p_topic and w.since >= now - 90000 and w.key is distinct from p_key
            ) and not exists (
                select from oqron.waiters w
                where w.topic = p_topic and w.since >= now - 90000 and w.key is distinct from p_key
                  -- It comes in time, if it still lives.
                  and case when w.due_at <= leases_until then not pg_try_advisory_xact_lock(w.key) else false end);
        end if;
    elsif p_max is not null and repeated then
        return query
        select j.id, j.token, j.attempts, j.stalls, j.payload_format, j.payload, j.extras, j.created_at, j.priority,
               j.seq, j.lane, null::integer[], null::boolean, null::boolean, null::boolean, null::boolean,
               null::boolean, null::bigint, null::text, null::bigint, null::bigint, null::bigint, null::bigint,
               null::bigint
        from oqron.jobs j
        where j.topic = p_topic and j.worker = p_worker and j.request = p_request and j.state = 2;
    end if;
    at := now;
    return next;
end $$;

-- For other languages: adds one job inside the caller's transaction and returns its id. It appears if and only if the
-- transaction commits, and wakes a worker then. An id that is known already changes nothing.
--
--   select oqron.add_job('shop:production', 'mail', '{"to": "a@example.com"}');
--   select oqron.add_job('shop:production', 'mail', '{"to": "a@example.com"}', job_id => 'welcome-7', delay => '5 min');
--
-- namespace   project:environment                     job_id     1 to 255 bytes; left out: a new one
-- topic       1 to 128 of A-Z a-z 0-9 . _ -           priority   0 (first) to 2097152
-- payload     JSON, up to 1 MiB                       delay      up to ten years
-- keep_for    how long the record is kept after it completed; null: without a limit of time
-- keep_last   finished records kept in the topic; null: without a limit of number
-- id_window   how long the id is remembered at least; default 24 hours for a given one, else a minute
create function oqron.add_job(
    namespace text, topic text, payload json, job_id text default null, priority integer default 0,
    delay interval default '0', keep_for interval default '24 hours', keep_last integer default 10000,
    id_window interval default null
) returns text language plpgsql as $$
declare
    bytes     bytea := convert_to(payload::text, 'UTF8');
    new_id    text := coalesce(job_id, gen_random_uuid()::text);
    delay_ms  bigint := ceil(extract(epoch from delay) * 1000);
    keep_ms   bigint := ceil(extract(epoch from keep_for) * 1000);
    window_ms bigint := ceil(extract(epoch from coalesce(
        id_window, case when job_id is null then interval '1 minute' else interval '24 hours' end)) * 1000);
    ten_years constant bigint := 316224000000;
begin
    if namespace is null or namespace !~ '^[A-Za-z0-9._-]{1,128}:[A-Za-z0-9._-]{1,128}$' then
        raise exception 'namespace % is not valid: it is project:environment, each 1 to 128 of A-Z a-z 0-9 . _ -',
            coalesce(quote_literal(namespace), 'null') using errcode = 'invalid_parameter_value';
    elsif topic is null or topic !~ '^[A-Za-z0-9._-]{1,128}$' then
        raise exception 'topic % is not valid: it is 1 to 128 of A-Z a-z 0-9 . _ -',
            coalesce(quote_literal(topic), 'null') using errcode = 'invalid_parameter_value';
    elsif payload is null then
        raise exception 'payload is null; a JSON null is ''null''' using errcode = 'invalid_parameter_value';
    elsif octet_length(bytes) > 1048576 then
        raise exception 'payload bytes: % is over the limit of 1048576; nothing was written', octet_length(bytes)
            using errcode = 'invalid_parameter_value';
    elsif octet_length(convert_to(new_id, 'UTF8')) not between 1 and 255 or new_id ~ '[\u0001-\u001f\u007f-\u009f]' then
        raise exception 'job id % is not valid: it is 1 to 255 bytes without control characters', quote_literal(new_id)
            using errcode = 'invalid_parameter_value';
    elsif priority is null or priority not between 0 and 2097152 then
        raise exception 'priority % is not valid: it is 0 (first) to 2097152', priority
            using errcode = 'invalid_parameter_value';
    elsif delay_ms is null or delay_ms not between 0 and ten_years then
        raise exception 'delay % is not valid: it is 0 to ten years', delay using errcode = 'invalid_parameter_value';
    elsif keep_ms not between 0 and ten_years then
        raise exception 'keep_for % is not valid: it is null or 0 to ten years', keep_for
            using errcode = 'invalid_parameter_value';
    elsif keep_last < 0 then
        raise exception 'keep_last % is not valid: it is null or at least 0', keep_last
            using errcode = 'invalid_parameter_value';
    elsif window_ms not between 0 and ten_years then
        raise exception 'id_window % is not valid: it is 0 to ten years', id_window
            using errcode = 'invalid_parameter_value';
    end if;
    perform oqron.enqueue_jobs(
        oqron.topic_id(namespace, topic), array[new_id], array[bytes], array[101], array[priority],
        array[delay_ms], array[null::bigint], array[keep_ms], array[keep_last::bigint], array[window_ms],
        array[null::text], 1::smallint, true);
    return new_id;
end $$;

-- Everything that is kept of every job, with the columns that the programs read.
create view oqron.records as
    select topic, id, seq, created_at, run_at, started_at, null::bigint as finished_at, token, retain_ms, retain_count,
           id_window_ms, priority, attempts, stalls, state, payload_format, null::integer as result_format,
           cancel_requested, settled, worker, extras, progress, error, logs, timeline, payload, null::bytea as result
    from oqron.jobs
    union all
    select topic, id, seq, created_at, run_at, started_at, finished_at, token, retain_ms, retain_count,
           id_window_ms, priority, attempts, stalls, state, payload_format, result_format,
           cancel_requested, settled, worker, extras, progress, error, logs, timeline, payload, result
    from oqron.finished;

-- For people.
create view oqron.overview as
    select t.namespace, t.name as topic, r.id,
           (array['scheduled', 'waiting', 'active', 'completed', 'failed', 'cancelled'])[r.state + 1] as state,
           r.priority, r.attempts, r.stalls, r.worker, r.progress, r.error,
           to_timestamp(r.created_at / 1000.0) as created_at, to_timestamp(r.run_at / 1000.0) as run_at,
           to_timestamp(r.started_at / 1000.0) as started_at, to_timestamp(r.finished_at / 1000.0) as finished_at,
           case when r.payload_format = 101 then convert_from(r.payload, 'UTF8') end as payload,
           case when r.result_format = 101 then convert_from(r.result, 'UTF8') end as result
    from oqron.records r join oqron.topics t on t.id = r.topic;
