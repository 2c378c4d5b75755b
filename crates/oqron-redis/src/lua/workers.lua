-- oqron:operate:workers
-- The workers that are present or were seen lately; forgets the others.
--
-- KEYS[1]  oqron:{namespace}:workers, a hash: worker to its description in JSON
-- KEYS[2]  oqron:{namespace}:seen, a zset: worker, last seen in ms
-- ARGV     channel prefix of workers, how long ago counts as lately in ms
-- Returns  description, last seen in ms, for each
-- Keeps    a worker whose own channel has a listener is never forgotten; where the server
--          forbids to ask for listeners, one that was seen within a day is not
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local DAY_MS = 86400000
local seen = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
local answer = {}
for i = 1, #seen, 2 do
  local worker = seen[i]
  local listeners = redis.pcall('PUBSUB', 'NUMSUB', ARGV[1] .. worker)
  local present = not listeners.err and listeners[2] > 0
  if present or tonumber(seen[i + 1]) >= now - (listeners.err and DAY_MS or ARGV[2]) then
    answer[#answer + 1] = redis.call('HGET', KEYS[1], worker) or ''
    answer[#answer + 1] = seen[i + 1]
  else
    redis.call('ZREM', KEYS[2], worker)
    redis.call('HDEL', KEYS[1], worker)
  end
end
return answer
