-- oqron:operate:counts
-- How many jobs there are in each state.
--
-- KEYS[1]  the topic
-- ARGV     none
-- Returns  scheduled, waiting, active, completed, failed, cancelled, 1 if paused
-- Keeps    it writes nothing; all numbers are of one moment
local active = 0
for _, worker in ipairs(call('ZRANGE', topic .. ':leases', 0, -1)) do
  active = active + call('SCARD', topic .. ':lease:' .. worker)
end
return {
  call('ZCARD', topic .. ':due'),
  call('ZCARD', topic .. ':wait'),
  active,
  call('ZCARD', topic .. ':done') + call('ZCARD', topic .. ':ended:3'),
  call('ZCARD', topic .. ':ended:4'),
  call('ZCARD', topic .. ':ended:5'),
  call('HGET', topic, 'paused') == '1' and 1 or 0,
}
