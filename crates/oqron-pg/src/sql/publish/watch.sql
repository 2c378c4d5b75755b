/* oqron:publish:watch
   Asks to be told of a job's end.
   $1 topic  $2 job id  $3 channel  $4 for so many milliseconds */
insert into oqron.watchers (topic, id, channel, watch_until) values ($1, $2, $3, oqron.now_ms() + $4)
on conflict (topic, id, channel) do update set watch_until = excluded.watch_until
