-- Shared by the scripts that remove jobs which are not active.

-- Notes the removal of a job, wherever it stands.
local function remove(id, r)
  note('ZREM', ':wait', sub(r.place, 4) .. id)
  note('ZREM', ':due', r.place .. id)
  note('ZREM', ':ended:3', id)
  note('ZREM', ':ended:4', id)
  note('ZREM', ':ended:5', id)
  note('ZREM', ':expire', id)
  forget(id, r.created + r.window)
end
