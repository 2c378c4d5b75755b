-- Shared: the part of a record that changes, one packed string in :run. Numbers are big-endian.
--
-- byte   field
--  1     state: 1 scheduled or waiting (:due and :wait know which), 2 active, 3 completed, 4 failed, 5 cancelled
--  2     flags
--  3- 8  finished_at, ms
--  9-14  token of the current or last lease
-- 15-20  started_at, ms
-- 21-26  request of the turn that claimed it
-- 27-32  end of the lease, ms
-- 33-36  attempts
-- 37-40  stalls
-- 41-44  max_stalls
-- 45-50  run_at, ms
-- 51-56  retention: max_age, ms; 57-60 max_count; all bits set: none
-- 61-69  place: priority (3 bytes), seq (6 bytes)
-- 70-75  the id is remembered until, ms
-- 76-    worker
local RUN_BYTES = 75
local RUN_FORMAT = '>BBI6I6I6I6I6I4I4I4I6I6I4c9I6'
local PENDING, ACTIVE, COMPLETED, FAILED, CANCELLED = 1, 2, 3, 4, 5
local CANCEL_REQUESTED, SETTLED, AT_MOST_ONCE = 1, 2, 4
local NO_AGE, NO_COUNT = 281474976710655, 4294967295
-- 24 hours and 10,000, as in oqron_core::Retention.
local DEFAULT_RETENTION = pack('>I6I4', 86400000, 10000)
local DEFAULT_WINDOW_MS, USER_WINDOW_MS = 60000, 86400000
-- Flags of the immutable part, see record.rs.
local HAS_START, START_AFTER, HAS_PRIORITY, HAS_RETENTION, HAS_WINDOW, USER_WINDOW = 1, 2, 4, 8, 16, 32
local JOB_BYTES = 15

local function has(flags, flag)
  return bit.band(flags, flag) ~= 0
end

-- nil if it is not what Oqron writes.
local function parse_run(text)
  if not text or #text < RUN_BYTES then
    return nil
  end
  local r = {}
  r.state, r.flags, r.finished, r.token, r.started, r.request, r.expires, r.attempts, r.stalls, r.max_stalls, r.run_at, r.max_age, r.max_count, r.place, r.remember =
    unpack_from(RUN_FORMAT, text)
  r.worker = sub(text, RUN_BYTES + 1)
  return r
end

local function pack_run(r)
  return pack(RUN_FORMAT, r.state, r.flags, r.finished, r.token, r.started, r.request, r.expires, r.attempts, r.stalls,
    r.max_stalls, r.run_at, r.max_age, r.max_count, r.place, r.remember) .. r.worker
end

-- What the immutable part says for the changing one: run_at (6 bytes), retention (10), place (9), remembered until (6).
-- nil if it is not what Oqron writes.
local function read_job(record)
  if not record or #record < JOB_BYTES then
    return nil
  end
  local flags = byte(record, 13)
  local created = unpack_from('>I6', record, 7)
  if flags == 0 then
    return sub(record, 7, 12), DEFAULT_RETENTION, '\0\0\0' .. sub(record, 1, 6), pack('>I6', created + DEFAULT_WINDOW_MS)
  end
  local at = 14
  local run_at, retention, priority = sub(record, 7, 12), DEFAULT_RETENTION, '\0\0\0'
  local window = has(flags, USER_WINDOW) and USER_WINDOW_MS or DEFAULT_WINDOW_MS
  if has(flags, HAS_START) then
    run_at, at = sub(record, at, at + 5), at + 6
  end
  if has(flags, HAS_PRIORITY) then
    priority, at = sub(record, at, at + 2), at + 3
  end
  if has(flags, HAS_RETENTION) then
    retention, at = sub(record, at, at + 9), at + 10
  end
  if has(flags, HAS_WINDOW) then
    if #record < at + 5 then
      return nil
    end
    window, at = unpack_from('>I6', record, at), at + 6
  end
  if #record < at + 1 then
    return nil
  end
  return run_at, retention, priority .. sub(record, 1, 6), pack('>I6', math.min(created + window, NO_AGE))
end

-- The changing part of a job that has none yet.
local function new_run(record)
  local run_at, retention, place, remember = read_job(record)
  if not run_at then
    return nil
  end
  return parse_run('\1' .. string.rep('\0', 43) .. run_at .. retention .. place .. remember)
end
