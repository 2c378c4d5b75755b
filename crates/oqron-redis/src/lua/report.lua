-- Shared by the scripts that a worker calls: what its handlers reported.

-- A report is progress (4 bytes of length, JSON) and new log lines (JSON, one a line).
local function keep_report(id, report)
  local length = unpack_from('>I4', report)
  if length > 0 then
    note('HSET', ':progress', id, sub(report, 5, 4 + length))
  end
  if #report > 4 + length then
    append_lines(':log', id, call('HGET', topic .. ':log', id), sub(report, 5 + length), LOG_LINES_MAX)
  end
end
