-- oqron:consume:look
-- Who holds leases of the topic without a listener on the own channel.
--
-- KEYS[1]  the topic
-- ARGV     channel prefix of workers, worker that looks, holders at most
-- Returns  1 if workers other than the one that looks hold leases, else 0; then the holders that nobody listens for
-- Keeps    it writes nothing. Holders come in the order in which their leases end, so those that no heartbeat renews any
--          more are among the first.
local channels, worker = ARGV[1], ARGV[2]
local holders, asked, others = {}, {}, 0
for _, holder in ipairs(call('ZRANGE', topic .. ':leases', 0, ARGV[3] - 1)) do
  if call('EXISTS', topic .. ':lease:' .. holder) == 1 then
    holders[#holders + 1] = holder
    asked[#asked + 1] = channels .. holder
    if holder ~= worker then
      others = 1
    end
  end
end
local answer = { others }
if #asked > 0 then
  local listeners = call('PUBSUB', 'NUMSUB', unpack(asked))
  for i, holder in ipairs(holders) do
    if listeners[i * 2] == 0 then
      answer[#answer + 1] = holder
    end
  end
end
return answer
