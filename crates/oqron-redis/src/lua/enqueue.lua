-- oqron:publish:enqueue
-- Adds jobs to a topic: all or none. A known id is left alone.
--
-- KEYS[1]  the topic
-- ARGV     channel prefix of workers, topic name; then for each job: id, body (job.rs: the record without its first
--          12 bytes, and with a delay in the place of run_at where the flag START_AFTER is set)
-- Returns  a text: 1 if the topic is new, else 0; then for each job 1 if it was made, 0 if its id was known
-- Keeps    an id is in :job or in :seen from its first add to the end of its window; a job that is in :job and has not
--          ended is in exactly one of :wait, :due and a :lease:W. Refused by the server before its start when it is out
--          of memory.
check_sorted_sets(':wait', ':due', ':leases', ':seen', ':wake')
local channels, name = ARGV[1], ARGV[2]
local count = (#ARGV - 2) / 2
local ids = {}
for i = 1, count do
  ids[i] = ARGV[i * 2 + 1]
end
local known = fetch('HMGET', topic .. ':job', ids)
local remembered = call('EXISTS', topic .. ':seen') == 1 and fetch('ZMSCORE', topic .. ':seen', ids)
local seq = tonumber(call('HGET', topic, 'seq') or 0)
if not seq then
  return redis.error_reply('OQRONCORRUPT seq of ' .. topic .. ' is no number')
end

local answer = { seq == 0 and '1' or '0' }
local jobs, waiting, due, mine = {}, {}, {}, {}
local jobs_n, waiting_n, due_n, created, soonest = 0, 0, 0, 0, nil
for i = 1, count do
  local id, body = ids[i], ARGV[i * 2 + 2]
  if known[i] or mine[id] or (remembered and remembered[i] and tonumber(remembered[i]) > now) then
    answer[i + 1] = '0'
  else
    answer[i + 1] = '1'
    mine[id] = true
    created = created + 1
    local seq6 = pack('>I6', seq + created)
    local flags = byte(body, 1)
    local run_at, priority = now, 0
    if flags ~= 0 then
      local at = 2
      if bit.band(flags, 1) ~= 0 then
        run_at, at = unpack_from('>I6', body, at), 8
        if bit.band(flags, 2) ~= 0 then
          run_at = math.min(now + run_at, 281474976710655)
          body = sub(body, 1, 1) .. pack('>I6', run_at) .. sub(body, 8)
        end
      end
      if bit.band(flags, 4) ~= 0 then
        priority = byte(body, at) * 65536 + unpack_from('>I2', body, at + 1)
      end
    end
    jobs[jobs_n + 1], jobs[jobs_n + 2] = id, seq6 .. now6 .. body
    jobs_n = jobs_n + 2
    if run_at > now then
      due[due_n + 1], due[due_n + 2] = run_at, seq6 .. sub(pack('>I4', priority), 2) .. id
      due_n = due_n + 2
      soonest = math.min(soonest or run_at, run_at)
    else
      waiting[waiting_n + 1], waiting[waiting_n + 2] = priority, seq6 .. id
      waiting_n = waiting_n + 2
    end
  end
end

if created > 0 then
  call('HSET', topic, 'seq', seq + created)
  many('HSET', topic .. ':job', jobs)
  many('ZADD', topic .. ':wait', waiting)
  many('ZADD', topic .. ':due', due)
  if call('HGET', topic, 'paused') ~= '1' then
    wake(channels, name, waiting_n / 2)
    wake_for(channels, name, soonest)
  end
end
return table.concat(answer)
