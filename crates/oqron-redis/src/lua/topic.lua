-- Shared by every script that works on a topic; its body follows.
--
-- KEYS[1]  oqron:{namespace:topic}, itself a hash: seq, token, keep, paused. All other keys of the topic begin with it, so
--          that they share its hash tag, and a script needs no other key.
--
-- key       type   member or field              value
-- :job      hash   id                           what never changes, see job.rs
-- :run      hash   id                           what changes, see run.lua; exists from the first claim or the end on
-- :wait     zset   seq (6 bytes) id             priority; of stalled jobs priority - STALLED, so that they go first
-- :due      zset   seq (6 bytes) priority (3) id   run_at, ms
-- :leases   zset   worker                       a time before which none of its leases ends, ms
-- :lease:W  set    id                           the jobs that worker W holds
-- :done     zset   id                           µs of the end, of completed jobs with the default retention
-- :ended:S  zset   id                           µs of the end, of all others; S is the number of the final state
-- :expire   zset   id                           end of the retention, µs, of jobs in :ended:3 and :ended:5
-- :seen     zset   id                           ids of removed jobs, remembered until, ms
-- :wake     zset   worker                       waiters; the score says when each was told to come, ms
-- :waited   string                              written by adds that wait for replicas; gone after a minute
-- :watch    zset   id                           somebody waits for its end; until, ms
-- :turn     hash   line:worker                  the line's last request and the answer
-- :result :error :timeline :log :progress       hashes by id, for the jobs that have them
local call, pack, unpack_from = redis.call, struct.pack, struct.unpack
local sub, byte, find = string.sub, string.byte, string.find
local topic = KEYS[1]

local clock = call('TIME')
local now_us = clock[1] * 1000000 + clock[2]
local now = math.floor(now_us / 1000)
local now6 = pack('>I6', now)

-- Below what unpack() puts on Lua's stack at once, and divisible by 2 and 3.
local ARGUMENTS_MAX = 6000

-- A command with any number of arguments.
local function many(command, key, arguments)
  local n = #arguments
  if n == 0 then
    return
  elseif n <= ARGUMENTS_MAX then
    call(command, key, unpack(arguments))
  else
    for first = 1, n, ARGUMENTS_MAX do
      call(command, key, unpack(arguments, first, math.min(first + ARGUMENTS_MAX - 1, n)))
    end
  end
end

-- The same for a command that answers one value an argument.
local function fetch(command, key, arguments)
  local n = #arguments
  if n == 0 then
    return {}
  elseif n <= ARGUMENTS_MAX then
    return call(command, key, unpack(arguments))
  end
  local values = {}
  for first = 1, n, ARGUMENTS_MAX do
    local last = math.min(first + ARGUMENTS_MAX - 1, n)
    local part = call(command, key, unpack(arguments, first, last))
    for i = 1, last - first + 1 do
      values[first + i - 1] = part[i]
    end
  end
  return values
end

-- Raises WRONGTYPE before the first write if somebody put another type under one of the keys. ZINTERCARD opens every
-- key, and the first one is always empty, so it has nothing to count.
local function check_sorted_sets(...)
  local keys = { topic .. ':none' }
  for i, suffix in ipairs({ ... }) do
    keys[i + 1] = topic .. suffix
  end
  call('ZINTERCARD', #keys, unpack(keys))
end

-- How many fields each hash has, where it was checked.
local fields = {}

local function check_hashes(...)
  for _, suffix in ipairs({ ... }) do
    fields[suffix] = call('HLEN', topic .. suffix)
  end
end
