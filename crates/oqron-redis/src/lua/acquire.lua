-- oqron:consume:acquire
-- Takes a lock if it is free or its time has run out.
--
-- KEYS[1]  as in lock.lua
-- ARGV     ttl in ms
-- Returns  the new token, or 0 if somebody holds it
-- Keeps    at most one holder; tokens only grow
if ends > now then
  return 0
end
write(token + 1, now + ARGV[1])
return token + 1
