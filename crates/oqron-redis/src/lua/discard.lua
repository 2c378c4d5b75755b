-- oqron:operate:discard
-- Removes finished jobs; their ids stay remembered until the end of their windows.
--
-- KEYS[1]  the topic
-- ARGV     ids
-- Returns  for each id: -1 done, -2 there is none, -3 unreadable, or the number of the state in which it is
-- Keeps    nothing of a removed job stays but its id. It goes on when the server is out of memory: it frees some.
check_steps()
local answer, done = {}, {}
for i, id in ipairs(ARGV) do
  local exists = call('HEXISTS', topic .. ':job', id) == 1 and not done[id]
  local text = exists and call('HGET', topic .. ':run', id)
  local r = exists and (parse_run(text) or new_run(call('HGET', topic .. ':job', id)))
  if not exists then
    answer[i] = -2
  elseif not r then
    answer[i] = -3
  elseif r.state < COMPLETED then
    answer[i] = r.state == PENDING and call('ZSCORE', topic .. ':due', due_member(r, id)) and 0 or r.state
  else
    remove(id, r)
    done[id] = true
    answer[i] = -1
  end
end
flush()
return answer
