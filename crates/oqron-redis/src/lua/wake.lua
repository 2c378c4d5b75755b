-- Shared: wake-ups. A waiter is a worker whose last claim came up short; its score in :wake is the time at which it was
-- told to come by itself, infinite if it was told of none. The one that would come last is woken first: those who come sooner keep watch over what is due.
local WAKE_TRIES_MAX = 64

-- Wakes up to `wanted` waiters through their own channels. A channel without a listener belongs to a worker that is
-- gone: its entry is dropped and the next one tried.
local function wake(channels, name, wanted)
  local tries = 0
  while wanted > 0 and tries < WAKE_TRIES_MAX do
    local waiter = call('ZPOPMAX', topic .. ':wake')[1]
    if not waiter then
      return
    end
    if call('PUBLISH', channels .. waiter, 'wake:' .. name) > 0 then
      wanted = wanted - 1
    end
    tries = tries + 1
  end
end

-- The first thing that will happen by itself, a scheduled job or the end of a lease; and whether there are leases.
local function next_event()
  local due = call('ZRANGE', topic .. ':due', 0, 0, 'WITHSCORES')[2]
  local lease_end = call('ZRANGE', topic .. ':leases', 0, 0, 'WITHSCORES')[2]
  if due and lease_end then
    return math.min(due, lease_end), true
  end
  return tonumber(due or lease_end), lease_end ~= nil
end

-- Wakes one waiter if none would come in time for the event.
local function wake_for(channels, name, event)
  local soonest = event and call('ZRANGE', topic .. ':wake', 0, 0, 'WITHSCORES')[2]
  if soonest and tonumber(soonest) > event then
    wake(channels, name, 1)
  end
end
