-- oqron:consume:heartbeat
-- Renews what a worker holds of a topic, keeps what its handlers reported, gives back what it does not list.
--
-- KEYS[1]  the topic
-- ARGV     channel prefix of workers, topic name, worker, through (request), lease_ttl in ms; then for each lease: id,
--          token (6 bytes), report (as in turn.lua)
-- Returns  a letter for each lease: R renewed, C renewed and somebody asked to cancel it, L lost
-- Keeps    only the holder of a token moves the end of its lease. It goes on when the server is out of memory.
local channels, name, worker, through, lease_ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local ARGUMENTS, LEASE = 5, 3
local held = ':lease:' .. worker
local worker_field = string.char(#worker) .. worker

check_steps(held)
local ids, verdicts, listed, renewed = {}, {}, {}, 0
local count = (#ARGV - ARGUMENTS) / LEASE
for i = 1, count do
  ids[i] = ARGV[ARGUMENTS + (i - 1) * LEASE + 1]
end
local runs = fetch('HMGET', topic .. ':run', ids)
local save_runs, expires6 = into('HSET', ':run'), pack('>I6', now + lease_ttl)
for i = 1, count do
  local at = ARGUMENTS + (i - 1) * LEASE
  local id, run = ids[i], runs[i]
  if
    not run
    or byte(run, 1) ~= ACTIVE
    or sub(run, 9, 14) ~= ARGV[at + 2]
    or sub(run, WORKER_AT, WORKER_AT + #worker) ~= worker_field
  then
    verdicts[i] = 'L'
  else
    verdicts[i] = has(byte(run, 2), CANCEL_REQUESTED) and 'C' or 'R'
    if not listed[id] then
      listed[id] = true
      renewed = renewed + 1
      save_runs[renewed * 2 - 1] = id
      save_runs[renewed * 2] = sub(run, 1, 26) .. expires6 .. sub(run, 33)
      if ARGV[at + 3] ~= '' then
        keep_report(id, ARGV[at + 3])
      end
    end
  end
end

local first = renewed > 0 and now + lease_ttl or nil
if call('SCARD', topic .. held) > renewed then
  local unlisted = {}
  for _, id in ipairs(call('SMEMBERS', topic .. held)) do
    if not listed[id] then
      unlisted[#unlisted + 1] = id
    end
  end
  local others = fetch('HMGET', topic .. ':run', unlisted)
  for i, id in ipairs(unlisted) do
    local r = parse_run(others[i])
    if not r or r.state ~= ACTIVE or r.worker ~= worker then
      -- Left to the end of the lease, where what was edited by hand is put in order.
      first = now
    elseif r.request <= through then
      note('SREM', held, id)
      release(id, r, 'its worker does not hold it')
    else
      first = math.min(first or r.expires, r.expires)
    end
  end
end
flush()
if first then
  call('ZADD', topic .. ':leases', first, worker)
else
  call('ZREM', topic .. ':leases', worker)
end
if made_waiting > 0 and call('HGET', topic, 'paused') ~= '1' then
  wake(channels, name, made_waiting)
end
return table.concat(verdicts)
