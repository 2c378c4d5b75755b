-- oqron:consume:release
-- Gives a lock up.
--
-- KEYS[1]  as in lock.lua
-- ARGV     token
-- Returns  1, or 0 if it was no longer held under this token
-- Keeps    only the holder releases
if token ~= tonumber(ARGV[1]) or ends <= now then
  return 0
end
write(token, 0)
return 1
