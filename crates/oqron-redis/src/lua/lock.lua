-- Shared by the scripts of named locks.
--
-- KEYS[1]  oqron:{namespace}:lock:<name>, a hash: token (the last one given), until (ms; 0: free). It stays, so that a
--          token never repeats.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local fields = redis.call('HMGET', KEYS[1], 'token', 'until')
local token, ends = tonumber(fields[1] or 0), tonumber(fields[2] or 0)
if not token or not ends then
  return redis.error_reply('OQRONCORRUPT ' .. KEYS[1] .. ' holds no numbers')
end
local function write(new_token, new_ends)
  redis.call('HSET', KEYS[1], 'token', new_token, 'until', new_ends)
end
