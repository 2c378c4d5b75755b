-- oqron:records:find
-- Reads one job.
--
-- KEYS[1]  the topic
-- ARGV     id
-- Returns  the record as in read.lua; without a :job there is none
-- Keeps    it writes nothing
return read_records({ ARGV[1] })[1]
