-- oqron:records:cancel
-- Ends a job that is not active; flags an active one and tells its worker.
--
-- KEYS[1]  the topic
-- ARGV     channel prefix of workers, topic name, id
-- Returns  cancelled, requested, absent, unreadable, or the number of the final state that it had
-- Keeps    a job ends once; an active one is ended by its worker only, or by the end of its lease. It goes on when the
--          server is out of memory.
local channels, name, id = ARGV[1], ARGV[2], ARGV[3]
check_steps()
local record, text = call('HGET', topic .. ':job', id), call('HGET', topic .. ':run', id)
if not record then
  return 'absent'
end
local r = parse_run(text) or new_run(record)
if not r then
  return 'unreadable'
elseif r.state > ACTIVE then
  return tostring(r.state)
elseif r.state == ACTIVE then
  if not has(r.flags, CANCEL_REQUESTED) then
    r.flags = bit.bor(r.flags, CANCEL_REQUESTED)
    event(id, 'cancel_requested', r.worker, '')
    save(id, r)
    flush()
  end
  call('PUBLISH', channels .. r.worker, 'cancel:' .. name .. ':' .. id)
  return 'requested'
end
note('ZREM', ':wait', wait_member(r, id))
note('ZREM', ':due', due_member(r, id))
finish_cancelled(id, r, nil, 'cancelled on request')
flush()
return 'cancelled'
