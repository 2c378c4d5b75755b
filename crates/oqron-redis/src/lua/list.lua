-- oqron:operate:list
-- One page of jobs in a state.
--
-- KEYS[1]  the topic
-- ARGV     state, limit, cursor: score and member of the last entry of the page before, or nothing
-- Returns  1 if there are more, score and member of the last entry, then for each job: id, record as in read.lua
-- Keeps    it writes nothing; it answers at most PAGE_BYTES_MAX and one step of records
local state, limit, cursor_score, cursor_member = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local PAGE_BYTES_MAX, STEP = 33554432, 64
local ID_AT = { [0] = 10, [1] = 7, [2] = 1, [3] = 1, [4] = 1, [5] = 1 }
local KEY = { [0] = ':due', [1] = ':wait', [3] = ':ended:3', [4] = ':ended:4', [5] = ':ended:5' }
local newest_first = state >= 3

-- Whether an entry comes before or at the cursor.
local function is_behind(score, member)
  score = tonumber(score)
  local at = tonumber(cursor_score)
  if score ~= at then
    return (score < at) ~= newest_first
  end
  return member == cursor_member or (member < cursor_member) ~= newest_first
end

-- The first rank after the cursor: a search by halves, because the cursor's own entry may be gone.
local function rank_after(key)
  if not cursor_score then
    return 0
  end
  local low, high = 0, call('ZCARD', key)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local entry = call(newest_first and 'ZREVRANGE' or 'ZRANGE', key, middle, middle, 'WITHSCORES')
    if is_behind(entry[2], entry[1]) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local function entries_of(key)
  local from = rank_after(key)
  return call(newest_first and 'ZREVRANGE' or 'ZRANGE', key, from, from + limit, 'WITHSCORES')
end

-- The first of two lists together, both with the newest first.
local function merged(one, other)
  local both, a, b = {}, 1, 1
  while #both < (limit + 1) * 2 and (one[a] or other[b]) do
    local score, other_score = tonumber(one[a + 1]), tonumber(other[b + 1])
    local one_is_next = one[a]
      and (not other[b] or score > other_score or (score == other_score and one[a] > other[b]))
    local list, at = other, b
    if one_is_next then
      list, at, a = one, a, a + 2
    else
      b = b + 2
    end
    both[#both + 1], both[#both + 2] = list[at], list[at + 1]
  end
  return both
end

-- Up to limit + 1 entries: member, score.
local function entries()
  if state == COMPLETED then
    return merged(entries_of(topic .. ':done'), entries_of(topic .. ':ended:3'))
  elseif state ~= ACTIVE then
    return entries_of(topic .. KEY[state])
  end
  -- A page of active jobs reads all of them, which is what the workers can hold at the same time.
  local all = {}
  for _, worker in ipairs(call('ZRANGE', topic .. ':leases', 0, -1)) do
    local ids = call('SMEMBERS', topic .. ':lease:' .. worker)
    for i, run in ipairs(fetch('HMGET', topic .. ':run', ids)) do
      local token = run and #run >= RUN_BYTES and unpack_from('>I6', run, 9) or 0
      if not cursor_score or token > tonumber(cursor_score) then
        all[#all + 1] = { ids[i], string.format('%.0f', token), token }
      end
    end
  end
  table.sort(all, function(a, b)
    return a[3] < b[3]
  end)
  local flat = {}
  for i = 1, math.min(#all, limit + 1) do
    flat[i * 2 - 1], flat[i * 2] = all[i][1], all[i][2]
  end
  return flat
end

local found = entries()
local total = #found / 2
local wanted, bytes = math.min(total, limit), 0
local answer = { 0, '', '' }
local taken = 0
while taken < wanted and bytes < PAGE_BYTES_MAX do
  local ids = {}
  for i = taken + 1, math.min(taken + STEP, wanted) do
    ids[#ids + 1] = sub(found[i * 2 - 1], ID_AT[state])
  end
  for i, record in ipairs(read_records(ids)) do
    answer[#answer + 1] = ids[i]
    answer[#answer + 1] = record
    bytes = bytes + (record[2] and #record[2] or 0) + (record[4] and #record[4] or 0)
  end
  taken = taken + #ids
end
if taken < total then
  answer[1], answer[2], answer[3] = 1, found[taken * 2], found[taken * 2 - 1]
end
return answer
