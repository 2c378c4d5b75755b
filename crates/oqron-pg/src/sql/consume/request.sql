/* oqron:consume:request
   First statement of a turn: notes its number. A copy of the same request that is still under way is waited for.
   $1 topic  $2 worker  $3 request */
insert into oqron.turns (topic, worker, request, xid) values ($1, $2, $3, pg_current_xact_id())
on conflict do nothing
