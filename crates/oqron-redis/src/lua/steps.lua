-- Shared: the steps of docs/state-machine.md. A step changes a parsed run and notes what is to be written; nothing is
-- written before flush(), so whatever is wrong shows before the first write.
local STALLED = 4194304
-- A retention without an age expires after all that have one, in the order of the ends: in 127 years.
local FOREVER_US = 4000000000000000
local TIMELINE_EVENTS_MAX, LOG_LINES_MAX = 50, 100

local pending, order = {}, {}
local timelines, ended_ids, keep, expiries = {}, {}, nil, {}
-- What the topic says of it, where the caller has read that.
local kept_count = nil
-- Ends of one call are a microsecond apart, which keeps their order.
local end_us = now_us
-- Jobs that this call put back to waiting.
local made_waiting = 0

-- The arguments of one command on one key, to be added to.
local function into(command, suffix)
  local name = command .. suffix
  local list = pending[name]
  if not list then
    list = {}
    pending[name] = list
    fields[suffix] = nil
    order[#order + 1] = { command, suffix, list }
  end
  return list
end

local function note(command, suffix, a, b)
  local list = into(command, suffix)
  list[#list + 1] = a
  if b then
    list[#list + 1] = b
  end
end

-- The last `limit` lines of a text.
local function newest_lines(text, limit)
  local starts, at = { 1 }, 0
  while true do
    at = string.find(text, '\n', at + 1, true)
    if not at then
      break
    end
    starts[#starts + 1] = at + 1
  end
  if #starts <= limit then
    return text
  end
  return sub(text, starts[#starts - limit + 1])
end

local function append_lines(suffix, id, old, lines, limit)
  local text = old and old ~= '' and (old .. '\n' .. lines) or lines
  note('HSET', suffix, id, newest_lines(text, limit))
end

-- An event is a line of JSON with the field names of oqron_core::TimelineEvent.
local function event(id, kind, worker, reason)
  local line = '{"at":' .. string.format('%.0f', now) .. ',"kind":"' .. kind .. '"'
  if worker and worker ~= '' then
    line = line .. ',"worker":' .. cjson.encode(worker)
  end
  if reason and reason ~= '' then
    line = line .. ',"reason":' .. cjson.encode(reason)
  end
  line = line .. '}'
  timelines[id] = timelines[id] and (timelines[id] .. '\n' .. line) or line
end

local function save(id, r)
  note('HSET', ':run', id, pack_run(r))
end

-- The hashes that have fields of a record.
local RECORD = { ':job', ':run', ':result', ':error', ':timeline', ':log', ':progress' }

-- The record goes; the id stays remembered until `remember`, the end of its window.
local function forget(id, remember)
  for _, suffix in ipairs(RECORD) do
    if fields[suffix] ~= 0 then
      note('HDEL', suffix, id)
    end
  end
  timelines[id] = nil
  if remember > now then
    note('ZADD', ':seen', remember, id)
  end
end

-- What a retention means for a job that ends: after how long it expires, and how many are kept. Few differ, so each is
-- worked out once.
local function expiry(retention)
  local found = expiries[retention]
  if not found then
    local max_age, max_count = unpack_from('>I6I4', retention)
    found = {
      keeps = max_age ~= 0 and max_count ~= 0,
      max_count = max_count,
      after_us = max_age == NO_AGE and FOREVER_US or max_age * 1000,
    }
    expiries[retention] = found
  end
  return found
end

local function finish(id, r, state)
  r.state, r.finished = state, now
  end_us = end_us + 1
  ended_ids[#ended_ids + 1] = id
  if state ~= FAILED then
    local expires = expiry(r.retention)
    if not expires.keeps then
      forget(id, r.created + r.window)
      return
    end
    note('ZADD', ':expire', end_us + expires.after_us, id)
    keep = expires.max_count
  end
  note('ZADD', ':ended:' .. state, end_us, id)
  save(id, r)
end

local function finish_cancelled(id, r, worker, reason)
  event(id, 'cancelled', worker, reason)
  finish(id, r, CANCELLED)
end

-- `offset` puts stalled jobs before all others.
local function to_waiting(id, r, offset)
  r.state = PENDING
  save(id, r)
  note('ZADD', ':wait', priority_at(r.place, 1) - offset, wait_member(r, id))
  made_waiting = made_waiting + 1
end

local function to_scheduled_or_waiting(id, r, delay)
  r.run_at = now + delay
  if delay == 0 then
    return to_waiting(id, r, 0)
  end
  r.state = PENDING
  save(id, r)
  note('ZADD', ':due', r.run_at, due_member(r, id))
end

-- Back to its place without having counted.
local function release(id, r, reason)
  if has(r.flags, CANCEL_REQUESTED) then
    return finish_cancelled(id, r, r.worker, 'cancelled on request')
  end
  r.attempts = math.max(r.attempts - 1, 0)
  event(id, 'released', r.worker, reason)
  to_waiting(id, r, 0)
end

-- The JSON of an oqron_core::JobFailure.
local function failure(kind, message)
  return '{"kind":"' .. kind .. '","message":' .. cjson.encode(message) .. '}'
end

-- The lease is over, or its worker is known dead: the reason says which.
local function stall(id, r, reason)
  r.flags = bit.band(r.flags, bit.bnot(SETTLED))
  if has(r.flags, AT_MOST_ONCE) then
    note('HSET', ':error', id, failure('worker_lost', 'worker lost'))
    event(id, 'failed', r.worker, 'worker lost')
    return finish(id, r, FAILED)
  end
  if has(r.flags, CANCEL_REQUESTED) then
    return finish_cancelled(id, r, r.worker, 'cancelled on request')
  end
  r.stalls = r.stalls + 1
  event(id, 'stalled', r.worker, reason)
  if r.stalls > r.max_stalls then
    local message = string.format('stalled %d times', r.stalls)
    note('HSET', ':error', id, failure('stalled', message))
    event(id, 'failed', r.worker, message)
    return finish(id, r, FAILED)
  end
  r.attempts = math.max(r.attempts - 1, 0)
  to_waiting(id, r, STALLED)
end

-- Writes all that was noted.
local function flush()
  if next(timelines) then
    local ids = {}
    for id in pairs(timelines) do
      ids[#ids + 1] = id
    end
    local old = fetch('HMGET', topic .. ':timeline', ids)
    for i, id in ipairs(ids) do
      append_lines(':timeline', id, old[i], timelines[id], TIMELINE_EVENTS_MAX)
    end
  end
  for _, write in ipairs(order) do
    if write[1] ~= 'HDEL' then
      many(write[1], topic .. write[2], write[3])
    end
  end
  -- Last, so that nothing noted for a forgotten job is left behind.
  for _, write in ipairs(order) do
    if write[1] == 'HDEL' then
      many(write[1], topic .. write[2], write[3])
    end
  end
  if keep and tostring(keep) ~= kept_count then
    call('HSET', topic, 'keep', keep)
    kept_count = tostring(keep)
  end
  if #ended_ids > 0 and call('EXISTS', topic .. ':watch') == 1 then
    local watched = fetch('ZMSCORE', topic .. ':watch', ended_ids)
    for i, id in ipairs(ended_ids) do
      if watched[i] then
        call('ZREM', topic .. ':watch', id)
        call('PUBLISH', topic .. ':ended:' .. id, '')
      end
    end
  end
  pending, order, timelines, ended_ids, keep = {}, {}, {}, {}, nil
end

-- Hashes that many topics have none of.
local SELDOM = { ':result', ':error', ':timeline', ':log', ':progress' }

-- What a step may write, and one more set of the caller's.
local function check_steps(set)
  check_sorted_sets(':wait', ':due', ':leases', ':done', ':ended:3', ':ended:4', ':ended:5', ':expire', ':seen', ':wake',
    ':watch', set)
  check_hashes('', ':job', ':run')
  local keys = {}
  for i, suffix in ipairs(SELDOM) do
    keys[i], fields[suffix] = topic .. suffix, 0
  end
  if call('EXISTS', unpack(keys)) > 0 then
    check_hashes(unpack(SELDOM))
  end
end
