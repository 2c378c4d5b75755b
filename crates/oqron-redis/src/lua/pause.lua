-- oqron:operate:pause
-- Stops all claims of a topic.
--
-- KEYS[1]  the topic
-- ARGV     none
-- Returns  nothing
-- Keeps    the switch is in the topic itself, so that every claim sees it. It goes on when the server is out of memory.
call('HSET', topic, 'paused', '1')
