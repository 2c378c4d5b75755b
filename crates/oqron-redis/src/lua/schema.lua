-- oqron:records:schema
-- The version of the layout in a namespace; the first to connect writes it.
--
-- KEYS[1]  oqron:{namespace}:schema
-- ARGV     the version of this program
-- Returns  the version found
-- Keeps    a newer version is never written over. It goes on when the server is out of memory.
local found = redis.call('GET', KEYS[1])
if not found then
  redis.call('SET', KEYS[1], ARGV[1])
  found = ARGV[1]
end
return found
