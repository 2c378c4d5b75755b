-- oqron:operate:retry
-- Puts dead letters and cancelled jobs back to waiting: a fresh start.
--
-- KEYS[1]  the topic
-- ARGV     channel prefix of workers, topic name, ids
-- Returns  for each id: -1 done, -2 there is none, -3 unreadable, or the number of the state in which it is
-- Keeps    a job stands in one place
local channels, name = ARGV[1], ARGV[2]
check_steps()
local answer, done = {}, {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local record, text = call('HGET', topic .. ':job', id), call('HGET', topic .. ':run', id)
  local r = record and parse_run(text) or record and new_run(record)
  if not record then
    answer[#answer + 1] = -2
  elseif not r then
    answer[#answer + 1] = -3
  elseif done[id] then
    answer[#answer + 1] = 1
  elseif r.state ~= FAILED and r.state ~= CANCELLED then
    answer[#answer + 1] = r.state == PENDING and call('ZSCORE', topic .. ':due', due_member(r, id)) and 0 or r.state
  elseif not first_run(record) then
    answer[#answer + 1] = -3
  else
    note('ZREM', ':ended:' .. r.state, id)
    note('ZREM', ':expire', id)
    note('HDEL', ':error', id)
    note('HDEL', ':result', id)
    r.flags, r.finished, r.attempts, r.stalls = bit.band(r.flags, SETTLED), 0, 0, 0
    event(id, 'retried_by_operator', nil, '')
    to_waiting(id, r, 0)
    done[id] = true
    answer[#answer + 1] = -1
  end
end
flush()
if made_waiting > 0 and call('HGET', topic, 'paused') ~= '1' then
  wake(channels, name, made_waiting)
end
return answer
