-- oqron:consume:sweep
-- Removes finished records that are over their retention, ids that are over their window, and what nobody reads any more.
--
-- KEYS[1]  the topic
-- ARGV     how many at most
-- Returns  records removed, 1 if more are left
-- Keeps    a removed id stays in :seen until the end of its window. It goes on when the server is out of memory.
local limit = tonumber(ARGV[1])
local TURN_RECORD_MS = 86400000
check_steps()
check_hashes(':turn')

local keep_count = tonumber(call('HGET', topic, 'keep') or NO_COUNT) or NO_COUNT
local own_total, default_total = call('ZCARD', topic .. ':expire'), call('ZCARD', topic .. ':done')
-- Those over their age expire first, so the first ones are over either limit.
local total = call('ZCOUNT', topic .. ':expire', '-inf', now_us)
  + call('ZCOUNT', topic .. ':done', '-inf', now_us - DEFAULT_RETENTION_US)
if keep_count < NO_COUNT then
  total = math.max(total, own_total + default_total - keep_count)
end
local count = math.min(total, limit)
local ids, own_ids = {}, {}
if count > 0 and own_total == 0 then
  ids = call('ZRANGE', topic .. ':done', 0, count - 1)
elseif count > 0 then
  local own = call('ZRANGE', topic .. ':expire', 0, count - 1, 'WITHSCORES')
  local default = call('ZRANGE', topic .. ':done', 0, count - 1, 'WITHSCORES')
  local a, b = 1, 1
  while #ids < count and (own[a] or default[b]) do
    if own[a] and (not default[b] or tonumber(own[a + 1]) <= tonumber(default[b + 1]) + DEFAULT_RETENTION_US) then
      ids[#ids + 1], own_ids[#own_ids + 1], a = own[a], own[a], a + 2
    else
      ids[#ids + 1], b = default[b], b + 2
    end
  end
end
local runs, remembered = fetch('HMGET', topic .. ':run', ids), {}
for i, id in ipairs(ids) do
  local remember = window_end(runs[i])
  if remember > now then
    remembered[#remembered + 1] = remember
    remembered[#remembered + 1] = id
  end
end
-- Whole lists, and not by the notes of the steps: where much is finished, this is a third of what a job costs.
many('ZADD', topic .. ':seen', remembered)
for _, suffix in ipairs({ ':expire', ':ended:3', ':ended:5' }) do
  many('ZREM', topic .. suffix, own_ids)
end
if #ids > #own_ids then
  call('ZREMRANGEBYRANK', topic .. ':done', 0, #ids - #own_ids - 1)
end
for _, suffix in ipairs(RECORD) do
  if fields[suffix] ~= 0 then
    many('HDEL', topic .. suffix, ids)
  end
end

local old = math.min(call('ZCOUNT', topic .. ':seen', '-inf', now), limit)
if old > 0 then
  call('ZREMRANGEBYRANK', topic .. ':seen', 0, old - 1)
end
call('ZREMRANGEBYSCORE', topic .. ':watch', '-inf', now)
call('ZREMRANGEBYSCORE', topic .. ':wake', '-inf', now - TURN_RECORD_MS)

-- The last turns of workers that have not called for a day.
local step = call('HSCAN', topic .. ':turn', call('HGET', topic, 'turns_from') or '0', 'COUNT', 100)
for i = 1, #step[2], 2 do
  local last = step[2][i + 1]
  if #last < 12 or unpack_from('>I6', last, 7) < now - TURN_RECORD_MS then
    call('HDEL', topic .. ':turn', step[2][i])
  end
end
call('HSET', topic, 'turns_from', step[1])
return { #ids, (total > limit or old == limit) and 1 or 0 }
