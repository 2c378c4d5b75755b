-- oqron:operate:resume
-- Ends a pause and wakes every waiter.
--
-- KEYS[1]  the topic
-- ARGV     channel prefix of workers, topic name
-- Returns  nothing
-- Keeps    as in pause.lua
check_sorted_sets(':wake')
call('HDEL', topic, 'paused')
for _ = 1, math.ceil(call('ZCARD', topic .. ':wake') / WAKE_TRIES_MAX) do
  wake(ARGV[1], ARGV[2], WAKE_TRIES_MAX)
end
