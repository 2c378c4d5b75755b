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
-- 51-60  retention: max_age 6, ms; max_count 4; all bits set: none
-- 61-66  id window, ms
-- 67-69  priority
-- 70-75  seq
-- 76-81  created_at, ms
-- 82     length of the worker
-- 83-    worker; then of a completed job a small result, format and bytes
local RUN_BYTES, WORKER_AT = 82, 82
local RUN_FORMAT = '>BBI6I6I6I6I6I4I4I4I6c10I6c9I6B'
local PENDING, ACTIVE, COMPLETED, FAILED, CANCELLED = 1, 2, 3, 4, 5
local CANCEL_REQUESTED, SETTLED, AT_MOST_ONCE = 1, 2, 4
local NO_AGE, NO_COUNT = 281474976710655, 4294967295
-- 24 hours and 10,000, as in oqron_core::Retention.
local DEFAULT_RETENTION_US, DEFAULT_KEEP = 86400000000, 10000
local DEFAULT_RETENTION = pack('>I6I4', DEFAULT_RETENTION_US / 1000, DEFAULT_KEEP)
local DEFAULT_WINDOW, USER_WINDOW_VALUE = pack('>I6', 60000), pack('>I6', 86400000)
-- Flags of the immutable part, see job.rs.
local HAS_START, HAS_PRIORITY, HAS_RETENTION, HAS_WINDOW, USER_WINDOW = 1, 4, 8, 16, 32
local JOB_BYTES = 15
local default_rest = DEFAULT_RETENTION .. DEFAULT_WINDOW .. '\0\0\0'

local function has(flags, flag)
  return bit.band(flags, flag) ~= 0
end

-- nil if it is not what Oqron writes.
local function parse_run(text)
  if not text or #text < RUN_BYTES then
    return nil
  end
  local r, worker_length = {}, 0
  r.state, r.flags, r.finished, r.token, r.started, r.request, r.expires, r.attempts, r.stalls, r.max_stalls, r.run_at, r.retention, r.window, r.place, r.created, worker_length =
    unpack_from(RUN_FORMAT, text)
  r.worker = sub(text, WORKER_AT + 1, WORKER_AT + worker_length)
  return r
end

-- Until when the id is remembered, without the rest; 0 if it is not what Oqron writes.
local function window_end(text)
  if not text or #text < RUN_BYTES then
    return 0
  end
  local window, _, created = unpack_from('>I6c9I6', text, 61)
  return created + window
end

local function pack_run(r)
  return pack(RUN_FORMAT, r.state, r.flags, r.finished, r.token, r.started, r.request, r.expires, r.attempts, r.stalls,
    r.max_stalls, r.run_at, r.retention, r.window, r.place, r.created, #r.worker) .. r.worker
end

-- Bytes 45 to 81 of the run of a job that has none yet, out of its immutable part; nil if that is not what Oqron writes.
local function first_run(record)
  if not record or #record < JOB_BYTES then
    return nil
  end
  local flags = byte(record, 13)
  if flags == 0 then
    return sub(record, 7, 12) .. default_rest .. sub(record, 1, 12)
  end
  local at = 14
  local run_at, retention, priority = sub(record, 7, 12), DEFAULT_RETENTION, '\0\0\0'
  local window = has(flags, USER_WINDOW) and USER_WINDOW_VALUE or DEFAULT_WINDOW
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
    window, at = sub(record, at, at + 5), at + 6
  end
  if #record < at + 1 then
    return nil
  end
  return run_at .. retention .. window .. priority .. sub(record, 1, 12)
end

-- Where a job stands in :wait, and in :due: of two with the same score the older one is first.
local function wait_member(r, id)
  return sub(r.place, 4) .. id
end

local function due_member(r, id)
  return sub(r.place, 4) .. sub(r.place, 1, 3) .. id
end

-- Three bytes at `at`.
local function priority_at(text, at)
  return byte(text, at) * 65536 + unpack_from('>I2', text, at + 1)
end

-- The run of a job that has none yet.
local function new_run(record)
  local rest = first_run(record)
  return rest and parse_run('\1' .. string.rep('\0', 43) .. rest .. '\0')
end
