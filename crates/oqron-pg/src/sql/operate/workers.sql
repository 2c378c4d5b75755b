/* oqron:operate:workers
   Workers that are present (their listening connection holds its advisory lock) or were seen in the last 90 seconds.
   $1 namespace */
select w.id, w.info, w.seen_at from oqron.workers w
where w.namespace = $1
  and (w.seen_at >= oqron.now_ms() - 90000
       or exists (
           select from pg_locks l
           where l.locktype = 'advisory' and l.granted and l.objsubid = 1
             and l.database = (select oid from pg_database where datname = current_database())
             and (l.classid::bigint << 32 | l.objid::bigint) = oqron.presence_key(w.namespace, w.id)))
order by w.id
