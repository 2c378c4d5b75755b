-- oqron:publish:watch
-- Asks to be told when a job ends, on the channel oqron:{namespace:topic}:ended:<id>.
--
-- KEYS[1]  the topic
-- ARGV     id, how long in ms
-- Returns  1 if the job is still to end, 0 if it has ended or there is none
-- Keeps    settlements publish only for ids in :watch, which expire by themselves. It goes on when the server is out of
--          memory: it is small and goes away.
local id, watch_ms = ARGV[1], tonumber(ARGV[2])
check_sorted_sets(':watch')
if call('HEXISTS', topic .. ':job', id) == 0 then
  return 0
end
local run = call('HGET', topic .. ':run', id)
if run and byte(run, 1) > 2 then
  return 0
end
call('ZREMRANGEBYSCORE', topic .. ':watch', '-inf', now)
call('ZADD', topic .. ':watch', now + watch_ms, id)
return 1
