-- Shared by the scripts that answer records: all that is kept of some jobs.

-- A list of eight for each id: whether it is in :due ('1' or ''), then the values of :job, :run, :result, :error,
-- :timeline, :log and :progress (nil where there is none).
local function read_records(ids)
  local values = {}
  for n, suffix in ipairs({ ':job', ':run', ':result', ':error', ':timeline', ':log', ':progress' }) do
    values[n] = fetch('HMGET', topic .. suffix, ids)
  end
  local records = {}
  for i, id in ipairs(ids) do
    local record = { '' }
    for n = 1, 7 do
      record[n + 1] = values[n][i]
    end
    local job, run = values[1][i], values[2][i]
    if job and (not run or byte(run, 1) == PENDING) then
      local r = new_run(job)
      if r and call('ZSCORE', topic .. ':due', due_member(r, id)) then
        record[1] = '1'
      end
    end
    records[i] = record
  end
  return records
end
