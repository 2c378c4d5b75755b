-- oqron:consume:leave_topic
-- A worker says goodbye to a topic: it is no longer woken.
--
-- KEYS[1]  the topic
-- ARGV     worker
-- Returns  nothing
-- Keeps    leases that it still holds stay until they are settled or end
call('ZREM', topic .. ':wake', ARGV[1])
if call('EXISTS', topic .. ':lease:' .. ARGV[1]) == 0 then
  -- More lines than a worker has; what is left is swept after a day.
  call('HDEL', topic .. ':turn', '0:' .. ARGV[1], '1:' .. ARGV[1], '2:' .. ARGV[1], '3:' .. ARGV[1])
end
