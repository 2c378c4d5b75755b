/* oqron:records:sizes
   How many bytes each table has, in pages that the planner counts.
   Returns one row with one array. */
select array(
    select pg_relation_size(t) from unnest(array[
        'oqron.jobs', 'oqron.finished', 'oqron.ids', 'oqron.turns', 'oqron.refused', 'oqron.topics', 'oqron.workers',
        'oqron.waiters', 'oqron.watchers']::regclass[]) with ordinality as u(t, ord)
    order by ord)
