-- oqron:consume:leave_topic
-- A worker says goodbye to a topic: it is no longer woken.
--
-- KEYS[1]  the topic
-- ARGV     worker
-- Returns  nothing
-- Keeps    leases that it still holds stay until they are settled or end
call('ZREM', topic .. ':wake', ARGV[1])
if call('EXISTS', topic .. ':lease:' .. ARGV[1]) == 0 then
  call('HDEL', topic .. ':turn', ARGV[1])
end
