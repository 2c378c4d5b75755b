-- The limit of a turn on Redis: ends what the worker holds and claims the next ones, in order, under a token and with a
-- lease, and nothing else.
--
-- KEYS[1]  a prefix
-- ARGV     how many to claim; `kept` or `removed`: what becomes of those that end
-- Returns  the records of what was claimed
--
-- redis-benchmark cannot send back what it was answered, so what a worker would send is read from its set.
local key, call, pack = KEYS[1], redis.call, struct.pack
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now6 = pack('>I6', now)
local held = call('SMEMBERS', key .. ':lease')
if #held > 0 then
  local runs = call('HMGET', key .. ':run', unpack(held))
  call('SREM', key .. ':lease', unpack(held))
  if ARGV[2] == 'kept' then
    local ended, scores = {}, {}
    for i, id in ipairs(held) do
      ended[i * 2 - 1], ended[i * 2] = id, '\3' .. now6 .. (runs[i] or '')
      scores[i * 2 - 1], scores[i * 2] = now, id
    end
    call('HSET', key .. ':run', unpack(ended))
    call('ZADD', key .. ':ended', unpack(scores))
    call('ZADD', key .. ':expire', unpack(scores))
  else
    call('HDEL', key .. ':run', unpack(held))
    call('HDEL', key .. ':job', unpack(held))
  end
end
local popped = call('ZPOPMIN', key .. ':wait', ARGV[1])
local ids, runs = {}, {}
for i = 1, #popped / 2 do
  ids[i] = string.sub(popped[i * 2 - 1], 7)
end
if #ids == 0 then
  return ''
end
local token = tonumber(call('HGET', key, 'token') or 0)
local records = call('HMGET', key .. ':job', unpack(ids))
call('HMGET', key .. ':run', unpack(ids))
for i, id in ipairs(ids) do
  -- Random ids can meet; the second of two then finds no record.
  records[i] = records[i] or ''
  runs[i * 2 - 1], runs[i * 2] = id, '\2' .. pack('>I6', token + i) .. now6 .. string.rep('x', 64)
end
call('HSET', key .. ':run', unpack(runs))
call('SADD', key .. ':lease', unpack(ids))
call('HSET', key, 'token', token + #ids)
return table.concat(records)
