-- oqron:consume:turn
-- Settles what has ended and claims what is free, in one step.
--
-- KEYS[1]  the topic
-- ARGV     channel prefix of workers, topic name, worker, line, request, jobs to claim (-1: no claim), lease_ttl in ms, flags
--          of the lease (0 or AT_MOST_ONCE), max_stalls; then for each settlement: id, token (6 bytes), head, body (see
--          settlement.rs)
-- Returns  verdicts (a letter each: A accepted, L lease lost), ms until the next event or -1, 1 if jobs are left waiting for a
--          larger claim, 1 if the topic is paused for the claim, 1 if there are leases for a claim to know of, leases (see
--          lease.rs)
-- Keeps    one owner a job: what is active is in the :lease:W of its worker, under a token that no other claim had; a run
--          is written over only by the holder of its token, or after its lease has ended. It goes on when the server is
--          out of memory: it is what frees memory.
local channels, name, worker, request = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[5])
local claim_max, lease_ttl, lease_flags, max_stalls = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local line = ARGV[4] .. ':' .. worker
local ARGUMENTS, SETTLEMENT = 9, 4
local CLAIM_BYTES_MAX, CLAIM_STEP, RECLAIM_WORKERS_MAX, JOBS_MAX = 16777216, 128, 100, 1000
local COMPLETE, RETRY, FAIL, SNOOZE, RELEASE, CANCEL = 1, 2, 3, 4, 5, 6
local held = ':lease:' .. worker
local worker_field = string.char(#worker) .. worker

check_steps(held)
local counters = call('HMGET', topic, 'token', 'paused', 'keep')
local token, paused = tonumber(counters[1] or 0), counters[2] == '1'
kept_count = counters[3]
local last = call('HGET', topic .. ':turn', line)
if not token then
  return redis.error_reply('OQRONCORRUPT token of ' .. topic .. ' is no number')
end

local lengths = {}

local function add_lease(leases, id, record, token6, counts)
  -- Jobs of a topic often have the same length.
  local key = #record * 256 + #id
  local packed = lengths[key]
  if not packed then
    packed = pack('>BI4', #id, #record)
    lengths[key] = packed
  end
  local n = #leases
  leases[n + 1], leases[n + 2], leases[n + 3], leases[n + 4], leases[n + 5] = packed, id, record, token6, counts
end

local function settle_otherwise(id, r, kind, delay, body)
  local requested = has(r.flags, CANCEL_REQUESTED)
  if kind == FAIL or (kind == RETRY and not requested) then
    local length = unpack_from('>I4', body)
    note('HSET', ':error', id, sub(body, 5, 4 + length))
    event(id, kind == FAIL and 'failed' or 'attempt_failed', worker, sub(body, 5 + length))
  end
  if kind == FAIL then
    finish(id, r, FAILED)
  elseif kind == CANCEL then
    finish_cancelled(id, r, worker, body)
  elseif kind == RELEASE then
    release(id, r, body)
  elseif requested then
    finish_cancelled(id, r, worker, 'cancelled on request')
  else
    if kind == SNOOZE then
      r.attempts = math.max(r.attempts - 1, 0)
      event(id, 'snoozed', worker, '')
    end
    to_scheduled_or_waiting(id, r, delay)
  end
end

-- A small result stands behind the run, which saves a field of :result.
local INLINE_BYTES_MAX = 256
-- Kind and delay; behind them stands a report, if there is one.
local HEAD_BYTES = 7

local function settle()
  local count = (#ARGV - ARGUMENTS) / SETTLEMENT
  if count == 0 then
    return ''
  end
  local ids, verdicts, seen = {}, {}, {}
  for i = 1, count do
    ids[i] = ARGV[ARGUMENTS + (i - 1) * SETTLEMENT + 1]
  end
  local runs = fetch('HMGET', topic .. ':run', ids)
  local beginnings = {}
  local gone, save_runs, done = into('SREM', held), into('HSET', ':run'), into('ZADD', ':done')
  for i = 1, count do
    local at = ARGUMENTS + (i - 1) * SETTLEMENT
    local id, token6, head, run = ids[i], ARGV[at + 2], ARGV[at + 3], runs[i]
    if not run or find(run, token6, 9, true) ~= 9 or find(run, worker_field, WORKER_AT, true) ~= WORKER_AT then
      verdicts[i] = 'L'
    elseif seen[id] then
      verdicts[i] = 'A'
    elseif byte(run, 1) ~= ACTIVE then
      verdicts[i] = has(byte(run, 2), SETTLED) and 'A' or 'L'
    else
      verdicts[i] = 'A'
      seen[id] = true
      gone[#gone + 1] = id
      local kind = byte(head, 1)
      if #head > HEAD_BYTES then
        keep_report(id, sub(head, HEAD_BYTES + 1))
      end
      local is_default = kind == COMPLETE and find(run, DEFAULT_RETENTION, 51, true) == 51
      local own = kind == COMPLETE and not is_default and expiry(sub(run, 51, 60))
      if is_default or (own and own.keeps) then
        -- The hot path: finish() without parsing and packing.
        local result, flags = ARGV[at + 4], byte(run, 2)
        end_us = end_us + 1
        if is_default then
          local n = #done
          done[n + 1], done[n + 2] = end_us, id
        else
          note('ZADD', ':ended:3', end_us, id)
          note('ZADD', ':expire', end_us + own.after_us, id)
        end
        keep = own and own.max_count or DEFAULT_KEEP
        ended_ids[#ended_ids + 1] = id
        if #result > INLINE_BYTES_MAX then
          note('HSET', ':result', id, result)
          result = ''
        end
        local beginning = beginnings[flags]
        if not beginning then
          beginning = string.char(COMPLETED, bit.bor(flags, SETTLED)) .. now6
          beginnings[flags] = beginning
        end
        local n = #save_runs
        save_runs[n + 1], save_runs[n + 2] = id, beginning .. sub(run, 9) .. result
      else
        local r = parse_run(run)
        r.flags = bit.bor(r.flags, SETTLED)
        if kind == COMPLETE then
          finish(id, r, COMPLETED)
        else
          settle_otherwise(id, r, kind, #head > 1 and unpack_from('>I6', head, 2) or 0, ARGV[at + 4])
        end
      end
    end
  end
  flush()
  return table.concat(verdicts)
end

local function promote()
  local members = call('ZRANGEBYSCORE', topic .. ':due', '-inf', now, 'LIMIT', 0, JOBS_MAX)
  local waiting = {}
  for _, member in ipairs(members) do
    if #member > 9 then
      waiting[#waiting + 1] = priority_at(member, 7)
      waiting[#waiting + 1] = sub(member, 1, 6) .. sub(member, 10)
    end
  end
  many('ZADD', topic .. ':wait', waiting)
  many('ZREM', topic .. ':due', members)
end

-- Each lease that has ended is a stall. A worker's entry in :leases is only a lower bound, so it may have none.
local function reclaim()
  local budget = JOBS_MAX
  for _, owner in ipairs(call('ZRANGEBYSCORE', topic .. ':leases', '-inf', now, 'LIMIT', 0, RECLAIM_WORKERS_MAX)) do
    if budget == 0 then
      return
    end
    local suffix = ':lease:' .. owner
    local ids = call('SRANDMEMBER', topic .. suffix, budget)
    local runs, first, gone = fetch('HMGET', topic .. ':run', ids), nil, into('SREM', suffix)
    for i, id in ipairs(ids) do
      local r = parse_run(runs[i])
      if not r then
        -- Somebody edited it. What the job was given when it was added is enough to start it again.
        r = new_run(call('HGET', topic .. ':job', id))
        if r then
          r.state, r.worker, r.max_stalls = ACTIVE, owner, 0
        end
      end
      if not r or r.state ~= ACTIVE or r.worker ~= owner then
        gone[#gone + 1] = id
      elseif r.expires <= now then
        gone[#gone + 1] = id
        stall(id, r, 'lease expired')
      else
        first = math.min(first or r.expires, r.expires)
      end
    end
    if #ids == budget then
      first = now
    end
    budget = budget - #ids
    flush()
    if first then
      call('ZADD', topic .. ':leases', first, owner)
    else
      call('ZREM', topic .. ':leases', owner)
    end
  end
end

-- A job that cannot be read must not be lost in silence, and not stop the others.
local function fail_unreadable(id)
  local r = parse_run('\1' .. string.rep('\0', RUN_BYTES - 1))
  local message = 'what is stored of this job is not what Oqron writes'
  note('HSET', ':error', id, failure('codec', message))
  event(id, 'failed', nil, message)
  finish(id, r, FAILED)
end

local function claim()
  local leases, taken, bytes = {}, 0, 0
  local expires = now + lease_ttl
  local lease = now6 .. pack('>I6I6', request, expires)
  local stalls4, first_counts = pack('>I4', max_stalls), pack('>I4I4', 1, 0)
  local state = string.char(ACTIVE, lease_flags) .. string.rep('\0', 6)
  local first_lease = lease .. first_counts .. stalls4
  while taken < claim_max and bytes < CLAIM_BYTES_MAX do
    local asked = math.min(claim_max - taken, CLAIM_STEP)
    local popped = call('ZPOPMIN', topic .. ':wait', asked)
    local count = #popped / 2
    if count == 0 then
      break
    end
    local ids = {}
    for i = 1, count do
      ids[i] = sub(popped[i * 2 - 1], 7)
    end
    local records, runs = fetch('HMGET', topic .. ':job', ids), fetch('HMGET', topic .. ':run', ids)
    local save_runs, taken_ids, n = {}, {}, 0
    for i = 1, count do
      local id, record, run, counts = ids[i], records[i], runs[i], nil
      token = token + 1
      local token6 = pack('>I6', token)
      local has_defaults = record and #record >= JOB_BYTES and byte(record, 13) == 0
      local rest = has_defaults or first_run(record)
      if run and #run < RUN_BYTES then
        run = nil
      end
      if not record or (run and byte(run, 1) ~= PENDING) then
        -- Somebody removed the job's record, or put a job into :wait that is elsewhere.
      elseif not rest then
        fail_unreadable(id)
      else
        if run then
          counts = pack('>I4', unpack_from('>I4', run, 33) + 1) .. sub(run, 37, 40)
          rest = sub(run, 45, 81)
        else
          counts = first_counts
        end
        n = n + 1
        save_runs[n * 2 - 1] = id
        if run or not has_defaults then
          save_runs[n * 2] = state .. token6 .. lease .. counts .. stalls4 .. rest .. worker_field
        else
          -- The hot path: first_run() as a part of the whole.
          save_runs[n * 2] = state .. token6 .. first_lease .. sub(record, 7, 12) .. default_rest .. sub(record, 1, 12) .. worker_field
        end
        taken_ids[n] = id
        bytes = bytes + #record
        add_lease(leases, id, record, token6, counts)
      end
    end
    taken = taken + n
    many('HSET', topic .. ':run', save_runs)
    many('SADD', topic .. held, taken_ids)
    if count < asked then
      break
    end
  end
  flush()
  if taken > 0 then
    call('ZADD', topic .. ':leases', 'LT', expires, worker)
  end
  return leases, taken
end

-- The leases of the last request that are still held.
local function claimed_before()
  local leases = {}
  local ids = call('SMEMBERS', topic .. held)
  local records, runs = fetch('HMGET', topic .. ':job', ids), fetch('HMGET', topic .. ':run', ids)
  local found = {}
  for i, id in ipairs(ids) do
    local r = parse_run(runs[i])
    if records[i] and r and r.state == ACTIVE and r.worker == worker and r.request == request then
      found[#found + 1] = { id, records[i], r.token, sub(runs[i], 9, 14), sub(runs[i], 33, 40) }
    end
  end
  table.sort(found, function(a, b)
    return a[3] < b[3]
  end)
  for _, lease in ipairs(found) do
    add_lease(leases, lease[1], lease[2], lease[4], lease[5])
  end
  return leases
end

local LAST_BYTES = 12
local verdicts, leases, taken = '', {}, 0
local last_request = last and #last >= LAST_BYTES and unpack_from('>I6', last) or 0
if request < last_request then
  -- A copy that was long on its way. Nobody waits for its answer.
  verdicts = string.rep('L', (#ARGV - ARGUMENTS) / SETTLEMENT)
elseif request == last_request then
  verdicts = sub(last, LAST_BYTES + 1)
  leases = claimed_before()
else
  local token_before = token
  verdicts = settle()
  if claim_max >= 0 and not paused then
    promote()
    reclaim()
    if claim_max > 0 then
      leases, taken = claim()
    end
  end
  call('HSET', topic .. ':turn', line, pack('>I6', request) .. now6 .. verdicts)
  if token > token_before then
    call('HSET', topic, 'token', token)
  end
  if taken == 0 and verdicts ~= '' and call('EXISTS', topic .. held) == 0 then
    call('ZREM', topic .. ':leases', worker)
  end
end

local left = call('ZCARD', topic .. ':wait')
local soonest, leased = next_event()
if request > last_request then
  if claim_max >= 0 and taken < claim_max and (left == 0 or paused) then
    if taken > 0 then
      -- Its own coming back does not count: these leases are for others to look after if it dies.
      call('ZREM', topic .. ':wake', worker)
      wake_for(channels, name, now + lease_ttl)
    end
    call('ZADD', topic .. ':wake', (paused or not soonest) and '+inf' or soonest, worker)
  elseif not paused then
    if claim_max >= 0 then
      call('ZREM', topic .. ':wake', worker)
      wake(channels, name, math.min(left, 1))
    else
      wake(channels, name, math.min(left, made_waiting))
    end
    wake_for(channels, name, soonest)
  end
end
return {
  verdicts,
  soonest and math.max(soonest - now, 0) or -1,
  (claim_max >= 0 and left > 0 and not paused) and 1 or 0,
  (claim_max >= 0 and paused) and 1 or 0,
  (claim_max >= 0 and leased) and 1 or 0,
  table.concat(leases),
}
