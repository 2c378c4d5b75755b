-- oqron:operate:purge
-- Removes jobs that are in one state, the oldest first, in steps.
--
-- KEYS[1]  the topic
-- ARGV     state (not 2), how many at most
-- Returns  how many were removed
-- Keeps    nothing of a removed job stays but its id, until the end of its window. It goes on when the server is out of
--          memory: it frees some.
local state, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local STEP, BYTES_MAX = 64, 33554432
local ID_AT = { [0] = 10, [1] = 7, [3] = 1, [4] = 1, [5] = 1 }
local KEY = { [0] = ':due', [1] = ':wait', [3] = ':ended:3', [4] = ':ended:4', [5] = ':ended:5' }
local key = KEY[state]
check_steps()
local removed, bytes = 0, 0
while removed < limit and bytes < BYTES_MAX do
  if state == COMPLETED then
    local own = call('ZRANGE', topic .. ':ended:3', 0, 0, 'WITHSCORES')[2]
    local default = call('ZRANGE', topic .. ':done', 0, 0, 'WITHSCORES')[2]
    key = default and (not own or tonumber(default) < tonumber(own)) and ':done' or ':ended:3'
  end
  local members = call('ZRANGE', topic .. key, 0, math.min(STEP, limit - removed) - 1)
  if #members == 0 then
    break
  end
  local ids, unread, unread_ids = {}, {}, {}
  for i, member in ipairs(members) do
    ids[i] = sub(member, ID_AT[state])
  end
  local runs, parsed = fetch('HMGET', topic .. ':run', ids), {}
  for i, id in ipairs(ids) do
    parsed[i] = parse_run(runs[i])
    if not parsed[i] then
      unread[#unread + 1] = i
      unread_ids[#unread_ids + 1] = id
    end
  end
  -- Only jobs that never ran are read as a whole, for the end of their windows.
  local records = fetch('HMGET', topic .. ':job', unread_ids)
  for n, i in ipairs(unread) do
    parsed[i] = new_run(records[n])
    bytes = bytes + (records[n] and #records[n] or 0)
  end
  for i, id in ipairs(ids) do
    if parsed[i] then
      remove(id, parsed[i])
    else
      forget(id, 0)
    end
    note('ZREM', key, members[i])
    note('ZREM', ':expire', id)
  end
  flush()
  removed = removed + #members
end
return removed
