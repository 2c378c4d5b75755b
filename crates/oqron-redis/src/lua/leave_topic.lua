-- oqron:consume:leave_topic
-- A worker says goodbye to a topic: it is no longer woken.
--
-- KEYS[1]  the topic
-- ARGV     worker
-- Returns  nothing
-- Keeps    leases that it still holds stay until they are settled or end
-- More than a worker uses; what is left is swept after a day.
local LINES_MAX = 4
call('ZREM', topic .. ':wake', ARGV[1])
if call('EXISTS', topic .. ':lease:' .. ARGV[1]) == 0 then
  for line = 0, LINES_MAX - 1 do
    call('HDEL', topic .. ':turn', line .. ':' .. ARGV[1])
  end
end
