-- The bare tables of the limit on PostgreSQL: what waits and runs, and what has ended.
create sequence ages;
create sequence tokens;
create table jobs (
    seq         bigint not null default nextval('ages'),
    created_at  timestamptz not null default clock_timestamp(),
    topic       integer not null default 1,
    priority    integer not null default 0,
    state       smallint not null default 1, -- 1 waiting, 2 active
    token       bigint,
    worker      text collate "C",
    lease_until timestamptz,
    id          text collate "C" not null,
    payload     bytea not null,
    primary key (topic, id)
);
create index waiting on jobs (topic, priority, seq) where state = 1;
create table finished (like jobs, finished_at timestamptz not null, primary key (topic, id));
