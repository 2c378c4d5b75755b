/* oqron:consume:sweep
   Removes finished records that are over their retention, and ids that are over their window. Bounded.
   $1 topic  $2 records at most  $3 $4 where to begin: expires_at, seq of the last that was removed  $5 and kept_until
   Returns one row: records and ids removed, whether more is left, and where the next sweep can begin (null: where this one did).
   Invariant: an id whose record goes before the end of its window stays in `ids` until then, in the same statement.
   Bounds are single values and not rows of a join, so that the indexes end there; rows are removed by their place, so
   that nothing is looked up twice, whatever the planner believes of the tables. */
with clock as materialized (
    select oqron.now_ms() as now
), newest as materialized (
    -- The job that ended last says how many are kept.
    select retain_count from (
        (select finished_at, seq, retain_count from oqron.finished where topic = $1 and state = 3
         order by finished_at desc, seq desc limit 1)
        union all
        (select finished_at, seq, retain_count from oqron.finished where topic = $1 and state = 5
         order by finished_at desc, seq desc limit 1)
    ) ended
    order by finished_at desc, seq desc limit 1
), edge as materialized (
    -- The first, counted from the one that expires last, that is over that number.
    select e.expires_at, e.seq from newest n cross join lateral (
        select f.expires_at, f.seq from oqron.finished f
        where f.topic = $1 and f.state <> 4 and n.retain_count is not null
        order by f.expires_at desc, f.seq desc
        offset n.retain_count limit 1
    ) e
), last as materialized (
    -- The last that goes: what has expired and what is over the number are both a beginning of the same order.
    select case when e.expires_at > c.now then e.expires_at else c.now end as expires_at,
           case when e.expires_at > c.now then e.seq else 9223372036854775807 end as seq
    from clock c left join edge e on true
), over as materialized (
    select f.ctid, f.expires_at, f.seq from oqron.finished f
    where f.topic = $1 and f.state <> 4 and (f.expires_at, f.seq) > ($3, $4)
      and (f.expires_at, f.seq) <= ((select expires_at from last), (select seq from last))
    order by f.expires_at, f.seq
    limit $2
), removed as (
    delete from oqron.finished f where f.ctid = any (array(select ctid from over))
    returning f.topic, f.id, f.created_at, f.id_window_ms, f.token, f.worker, f.settled
), --include remember
, old_ids as materialized (
    select i.ctid, i.kept_until from oqron.ids i
    where i.topic = $1 and i.kept_until >= $5 and i.kept_until <= (select now from clock)
    order by i.kept_until limit $2
    for update of i skip locked
), forgotten as (
    delete from oqron.ids i where i.ctid = any (array(select ctid from old_ids))
), old_waiters as (
    delete from oqron.waiters w where w.topic = $1 and w.since < (select now - 120000 from clock)
), old_watchers as (
    delete from oqron.watchers w where w.topic = $1 and w.watch_until < (select now from clock)
)
select (select count(*) from removed) as records, (select count(*) from old_ids) as ids,
       (select count(*) from over) >= $2 or (select count(*) from old_ids) >= $2 as more,
       (select (array_agg(expires_at))[count(*)] from over) as expires_at,
       (select (array_agg(seq))[count(*)] from over) as seq,
       (select max(kept_until) from old_ids) as kept_until
