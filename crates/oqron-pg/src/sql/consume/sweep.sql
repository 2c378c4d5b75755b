/* oqron:consume:sweep
   Removes finished records that are over their retention, and ids that are over their window. Bounded.
   $1 topic  $2 records at most
   Returns one row: records removed, and whether more is left.
   Invariant: an id whose record goes before the end of its window stays in `ids` until then, in the same statement. */
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
), over as materialized (
    select f.id from (
        (select f.id, f.expires_at, f.seq from oqron.finished f, clock c
         where f.topic = $1 and f.state <> 4 and f.expires_at <= c.now
         order by f.expires_at, f.seq limit $2)
        union
        (select f.id, f.expires_at, f.seq from edge e cross join lateral (
             select * from oqron.finished f
             where f.topic = $1 and f.state <> 4 and (f.expires_at, f.seq) <= (e.expires_at, e.seq)
             order by f.expires_at, f.seq limit $2) f)
    ) f
    order by f.expires_at, f.seq
    limit $2
), removed as (
    delete from oqron.finished f using over o where f.topic = $1 and f.id = o.id
    returning f.topic, f.id, f.created_at, f.id_window_ms, f.token, f.worker, f.settled
), --include remember
, old_ids as materialized (
    select i.id from oqron.ids i, clock c
    where i.topic = $1 and i.kept_until <= c.now
    order by i.kept_until limit $2
    for update of i skip locked
), forgotten as (
    delete from oqron.ids i using old_ids o, clock c where i.topic = $1 and i.id = o.id and i.kept_until <= c.now
), old_waiters as (
    delete from oqron.waiters w using clock c where w.topic = $1 and w.since < c.now - 120000
), old_watchers as (
    delete from oqron.watchers w using clock c where w.topic = $1 and w.watch_until < c.now
)
select (select count(*) from removed) as records,
       (select count(*) from over) >= $2 or (select count(*) from old_ids) >= $2 as more
