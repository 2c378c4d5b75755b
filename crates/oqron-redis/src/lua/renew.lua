-- oqron:consume:renew
-- Gives a lock more time.
--
-- KEYS[1]  as in lock.lua
-- ARGV     token, ttl in ms
-- Returns  1, or 0 if it is no longer held under this token
-- Keeps    only the holder renews
if token ~= tonumber(ARGV[1]) or ends <= now then
  return 0
end
write(token, now + ARGV[2])
return 1
