-- oqron:consume:reclaim
-- Ends leases whose worker is gone, each as a stall.
--
-- KEYS[1]  the topic
-- ARGV     channel prefix of workers, topic name; then for each lease: id, token (6 bytes), end of the lease (6 bytes, ms)
-- Returns  how many were ended
-- Keeps    a lease with another token or another end is somebody else's, or was renewed since: it is left alone. It goes on
--          when the server is out of memory.
local channels, name = ARGV[1], ARGV[2]
local ARGUMENTS, LEASE = 2, 3
check_steps()
local ids = {}
for at = ARGUMENTS + 1, #ARGV, LEASE do
  ids[#ids + 1] = ARGV[at]
end
local runs = fetch('HMGET', topic .. ':run', ids)
local ended, holders, sets, taken = {}, {}, {}, {}
for i, id in ipairs(ids) do
  local at, run = ARGUMENTS + (i - 1) * LEASE, runs[i]
  local r = parse_run(run)
  if r and r.state == ACTIVE and not taken[id] and sub(run, 9, 14) == ARGV[at + 2] and sub(run, 27, 32) == ARGV[at + 3] then
    taken[id] = true
    ended[#ended + 1] = { id, r }
    if not holders[r.worker] then
      holders[r.worker] = true
      sets[#sets + 1] = ':lease:' .. r.worker
    end
  end
end
check_sorted_sets(unpack(sets))

for _, lease in ipairs(ended) do
  local id, r = lease[1], lease[2]
  note('SREM', ':lease:' .. r.worker, id)
  stall(id, r, 'its worker is gone')
end
flush()
for holder in pairs(holders) do
  if call('EXISTS', topic .. ':lease:' .. holder) == 0 then
    call('ZREM', topic .. ':leases', holder)
  end
end
if made_waiting > 0 and call('HGET', topic, 'paused') ~= '1' then
  wake(channels, name, made_waiting)
end
return #ended
