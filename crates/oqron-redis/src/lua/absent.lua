-- oqron:consume:absent
-- The leases that some workers hold of the topic.
--
-- KEYS[1]  the topic
-- ARGV     leases at most; then the workers
-- Returns  id, token, end of the lease in ms, for each
-- Keeps    it writes nothing. While nothing changes it answers the same leases, also where there are more of them.
local left = tonumber(ARGV[1])
local answer = {}
for i = 2, #ARGV do
  if left <= 0 then
    break
  end
  local worker, ids = ARGV[i], {}
  for n, id in ipairs(call('SSCAN', topic .. ':lease:' .. worker, 0, 'COUNT', left)[2]) do
    if n <= left then
      ids[n] = id
    end
  end
  left = left - #ids
  local runs = fetch('HMGET', topic .. ':run', ids)
  for n, id in ipairs(ids) do
    local r = parse_run(runs[n])
    if r and r.state == ACTIVE and r.worker == worker then
      local at = #answer
      answer[at + 1], answer[at + 2], answer[at + 3] = id, r.token, r.expires
    end
  end
end
return answer
