-- oqron:consume:turn
-- Settles what has ended and claims what is free, in one step.
--
-- KEYS[1]  the topic
-- ARGV     channel prefix of workers, topic name, worker, request, jobs to claim (-1: no claim), lease_ttl in ms, flags of
--          the lease (0 or AT_MOST_ONCE), max_stalls; then for each settlement: id, head (kind 1 byte, token 6, delay in
--          ms 6), body, report (see settlement.rs)
-- Returns  verdicts (a letter each: A accepted, L lease lost), ms until the next event or -1, 1 if jobs are left waiting,
--          1 if the topic is paused, leases (see lease.rs)
-- Keeps    one owner a job: what is active is in the :lease:W of its worker, under a token that no other claim had; a run
--          is written over only by the holder of its token, or after its lease has ended. It goes on when the server is
--          out of memory: it is what frees memory.
local channels, name, worker, request = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local claim_max, lease_ttl, lease_flags, max_stalls = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local ARGUMENTS, SETTLEMENT = 8, 4
local CLAIM_BYTES_MAX, CLAIM_STEP, RECLAIM_WORKERS_MAX, JOBS_MAX = 16777216, 128, 100, 1000
local SAFETY_POLL_MS = 30000
local COMPLETE, RETRY, FAIL, SNOOZE, RELEASE, CANCEL = 1, 2, 3, 4, 5, 6
local held = ':lease:' .. worker

check_steps()
check_sorted_sets(held)
local counters = call('HMGET', topic, 'token', 'paused')
local token, paused = tonumber(counters[1] or 0), counters[2] == '1'
local last = call('HGET', topic .. ':turn', worker)
if not token then
  return redis.error_reply('OQRONCORRUPT token of ' .. topic .. ' is no number')
end

local function add_lease(leases, id, record, token6, counts)
  leases[#leases + 1] = pack('>BI4', #id, #record) .. id .. record .. token6 .. counts
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
  local lost, save_runs, results = into('ZREM', held), into('HSET', ':run'), into('HSET', ':result')
  for i = 1, count do
    local at = ARGUMENTS + (i - 1) * SETTLEMENT
    local id, head, run = ids[i], ARGV[at + 2], runs[i]
    if not run or #run < RUN_BYTES or sub(run, 9, 14) ~= sub(head, 2, 7) or sub(run, RUN_BYTES + 1) ~= worker then
      verdicts[i] = 'L'
    elseif seen[id] then
      verdicts[i] = 'A'
    elseif byte(run, 1) ~= ACTIVE then
      verdicts[i] = has(byte(run, 2), SETTLED) and 'A' or 'L'
    else
      verdicts[i] = 'A'
      seen[id] = true
      lost[#lost + 1] = id
      local kind, report = byte(head, 1), ARGV[at + 4]
      if report ~= '' then
        keep_report(id, report)
      end
      if kind == COMPLETE then
        -- The hot path: the new run is spliced and not packed anew.
        local max_age, max_count = unpack_from('>I6I4', run, 51)
        if ended(id, COMPLETED, max_age, max_count, (unpack_from('>I6', run, 70))) then
          local n = #save_runs
          save_runs[n + 1], save_runs[n + 2] = id, '\3' .. string.char(bit.bor(byte(run, 2), SETTLED)) .. now6 .. sub(run, 9)
          results[#results + 1] = id
          results[#results + 1] = ARGV[at + 3]
        end
      else
        local r = parse_run(run)
        r.flags = bit.bor(r.flags, SETTLED)
        settle_otherwise(id, r, kind, (unpack_from('>I6', head, 8)), ARGV[at + 3])
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
      waiting[#waiting + 1] = priority_of(member)
      waiting[#waiting + 1] = sub(member, 4)
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
    local ids = call('ZRANGE', topic .. suffix, 0, budget - 1)
    local runs, first, gone = fetch('HMGET', topic .. ':run', ids), nil, into('ZREM', suffix)
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
        stall(id, r)
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
      call('ZADD', topic .. ':leases', string.format('%.0f', first), owner)
    else
      call('ZREM', topic .. ':leases', owner)
    end
  end
end

-- A job that cannot be read must not be lost in silence, and not stop the others.
local function fail_unreadable(id)
  local r = parse_run('\1' .. string.rep('\0', 49) .. string.rep('\255', 10) .. string.rep('\0', 15))
  local message = 'what is stored of this job is not what Oqron writes'
  note('HSET', ':error', id, failure('codec', message))
  event(id, 'failed', nil, message)
  finish(id, r, FAILED)
end

local function claim()
  local leases, taken, bytes = {}, 0, 0
  local expires = now + lease_ttl
  local lease = now6 .. pack('>I6I6', request, expires)
  local stalls4, first4, zero4 = pack('>I4', max_stalls), pack('>I4', 1), pack('>I4', 0)
  local state = string.char(ACTIVE, lease_flags) .. string.rep('\0', 6)
  while taken < claim_max and bytes < CLAIM_BYTES_MAX do
    local popped = call('ZPOPMIN', topic .. ':wait', math.min(claim_max - taken, CLAIM_STEP))
    local count = #popped / 2
    if count == 0 then
      break
    end
    local ids = {}
    for i = 1, count do
      ids[i] = sub(popped[i * 2 - 1], 7)
    end
    local records, runs = fetch('HMGET', topic .. ':job', ids), fetch('HMGET', topic .. ':run', ids)
    local save_runs, tokens, n = {}, {}, 0
    for i = 1, count do
      local id, record, run, counts = ids[i], records[i], runs[i], nil
      token = token + 1
      local token6 = pack('>I6', token)
      local run_at, retention, place, remember = read_job(record)
      if run and #run < RUN_BYTES then
        run = nil
      end
      if not record or (run and byte(run, 1) ~= PENDING) then
        -- Somebody removed the job's record, or put a job into :wait that is elsewhere.
      elseif not run_at then
        fail_unreadable(id)
      else
        if run then
          local attempts4 = pack('>I4', unpack_from('>I4', run, 33) + 1)
          counts = attempts4 .. sub(run, 37, 40)
          run = state .. token6 .. lease .. counts .. stalls4 .. sub(run, 45, RUN_BYTES) .. worker
        else
          counts = first4 .. zero4
          run = state .. token6 .. lease .. counts .. stalls4 .. run_at .. retention .. place .. remember .. worker
        end
        save_runs[n + 1], save_runs[n + 2] = id, run
        tokens[n + 1], tokens[n + 2] = string.format('%.0f', token), id
        n = n + 2
        taken = taken + 1
        bytes = bytes + #record
        add_lease(leases, id, record, token6, counts)
      end
    end
    many('HSET', topic .. ':run', save_runs)
    many('ZADD', topic .. held, tokens)
  end
  flush()
  if taken > 0 then
    call('ZADD', topic .. ':leases', 'LT', string.format('%.0f', expires), worker)
  end
  return leases, taken
end

-- The leases of the last request that are still held.
local function claimed_before(first, last_token)
  local leases = {}
  local ids = call('ZRANGEBYSCORE', topic .. held, string.format('%.0f', first), string.format('%.0f', last_token))
  local records, runs = fetch('HMGET', topic .. ':job', ids), fetch('HMGET', topic .. ':run', ids)
  for i, id in ipairs(ids) do
    local record, run = records[i], runs[i]
    if record and run and #run >= RUN_BYTES and byte(run, 1) == ACTIVE and sub(run, RUN_BYTES + 1) == worker then
      add_lease(leases, id, record, sub(run, 9, 14), sub(run, 33, 40))
    end
  end
  return leases
end

local LAST_BYTES = 24
local verdicts, leases, taken = '', {}, 0
local last_request, last_first, last_token = 0, 0, 0
if last and #last >= LAST_BYTES then
  last_request, last_first, last_token = unpack_from('>I6I6I6', last)
end
if request < last_request then
  return redis.error_reply(string.format('OQRONREQUEST %d came after %d', request, last_request))
end
if request == last_request then
  verdicts = sub(last, LAST_BYTES + 1)
  leases = claimed_before(last_first, last_token)
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
  call('HSET', topic .. ':turn', worker, pack('>I6I6I6I6', request, token_before + 1, token, now) .. verdicts)
  if token > token_before then
    call('HSET', topic, 'token', string.format('%.0f', token))
  end
  if taken == 0 and verdicts ~= '' and call('EXISTS', topic .. held) == 0 then
    call('ZREM', topic .. ':leases', worker)
  end
end

local left = call('ZCARD', topic .. ':wait')
local soonest = next_event()
if request > last_request then
  if claim_max >= 0 and taken < claim_max and (left == 0 or paused) then
    local comes = (paused or not soonest) and now + SAFETY_POLL_MS or math.min(soonest, now + SAFETY_POLL_MS)
    call('ZADD', topic .. ':wake', string.format('%.0f', comes), worker)
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
  (left > 0 and not paused) and 1 or 0,
  paused and 1 or 0,
  table.concat(leases),
}
