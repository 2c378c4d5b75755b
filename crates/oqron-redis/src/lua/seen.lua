-- oqron:consume:seen
-- Notes that a worker lives; with its description when it joins.
--
-- KEYS[1]  oqron:{namespace}:workers, a hash: worker to its description in JSON
-- KEYS[2]  oqron:{namespace}:seen, a zset: worker, last seen in ms
-- ARGV     worker, description or empty
-- Returns  nothing
-- Keeps    the time is the server's. It goes on when the server is out of memory.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZCARD', KEYS[2])
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('ZADD', KEYS[2], now, ARGV[1])
