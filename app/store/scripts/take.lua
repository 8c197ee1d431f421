-- Move up to a number of jobs from a queue to RQ's intermediate list, and return the fields of their hashes.
-- If a worker dies, its jobs stay there until RQ's own maintenance finds them.
-- Then fill the queue again from those of the deployments, one job of each in turn (app/store/rq/turns.py).
-- KEYS[1] queue list   KEYS[2] intermediate list   KEYS[3] the deployments whose turn it is
-- ARGV[1] how many   ARGV[2] prefix of job keys   ARGV[3] retries that a job without failures has left
-- ARGV[4] how many jobs the queue holds   ARGV[5] prefix of the deployments' queues
-- Stops before a job that has failed before, or an entry that is no job: these run alone, managed fully by RQ.
local taken = {}
for _ = 1, tonumber(ARGV[1]) do
  local id = redis.call('LINDEX', KEYS[1], 0)
  if not id then break end
  local fields = redis.pcall('HMGET', ARGV[2] .. id, 'data', 'retries_left')
  if fields.err or (not fields[1] and redis.call('EXISTS', ARGV[2] .. id) == 1) then break end
  if fields[1] and fields[2] ~= ARGV[3] then break end
  redis.call('LMOVE', KEYS[1], KEYS[2], 'LEFT', 'RIGHT')
  if fields[1] then
    taken[#taken + 1] = {id, fields[1]}
  else
    redis.call('LREM', KEYS[2], 1, id)
  end
end
local room = tonumber(ARGV[4]) - redis.call('LLEN', KEYS[1])
while room > 0 do
  local name = redis.call('LPOP', KEYS[3])
  if not name then break end
  local waiting = ARGV[5] .. name
  if redis.call('LMOVE', waiting, KEYS[1], 'LEFT', 'RIGHT') then
    room = room - 1
  end
  if redis.call('EXISTS', waiting) == 1 then
    redis.call('RPUSH', KEYS[3], name)
  end
end
return taken
