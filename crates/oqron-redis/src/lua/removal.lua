-- Shared by the scripts that remove jobs which are not active.

-- Notes the removal of a job, wherever it stands.
local function remove(id, r)
  note('ZREM', ':wait', wait_member(r, id))
  note('ZREM', ':due', due_member(r, id))
  note('ZREM', ':done', id)
  note('ZREM', ':ended:3', id)
  note('ZREM', ':ended:4', id)
  note('ZREM', ':ended:5', id)
  note('ZREM', ':expire', id)
  ended_ids[#ended_ids + 1] = id
  forget(id, r.created + r.window)
end
