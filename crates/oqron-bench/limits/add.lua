-- The limit of an add on Redis: what any queue must read and write that keeps an id once, numbers its jobs and stores a
-- packed record, and nothing else.
--
-- KEYS[1]  a prefix
-- ARGV     for each job: id, payload
-- Returns  how many were added
local key, call, pack = KEYS[1], redis.call, struct.pack
local clock = call('TIME')
local now6 = pack('>I6', clock[1] * 1000 + math.floor(clock[2] / 1000))
local count = #ARGV / 2
local ids, jobs, waiting = {}, {}, {}
for i = 1, count do
  ids[i] = ARGV[i * 2 - 1]
end
call('HMGET', key .. ':job', unpack(ids))
local seq = tonumber(call('HGET', key, 'seq') or 0)
for i = 1, count do
  local seq6 = pack('>I6', seq + i)
  jobs[i * 2 - 1], jobs[i * 2] = ids[i], seq6 .. now6 .. ARGV[i * 2]
  waiting[i * 2 - 1], waiting[i * 2] = 0, seq6 .. ids[i]
end
call('HSET', key, 'seq', seq + count)
call('HSET', key .. ':job', unpack(jobs))
call('ZADD', key .. ':wait', unpack(waiting))
return count
