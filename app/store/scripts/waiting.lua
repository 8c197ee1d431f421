-- Return how many jobs wait in the deployments' queues, and when the oldest of them was queued.
-- KEYS[1] the deployments whose turn it is   ARGV[1] prefix of their queues   ARGV[2] prefix of job keys
local number, oldest = 0, false
for _, name in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  number = number + redis.call('LLEN', ARGV[1] .. name)
  local first = redis.call('LINDEX', ARGV[1] .. name, 0)
  local at = first and redis.call('HGET', ARGV[2] .. first, 'enqueued_at')
  -- All are UTC in one format, so the earlier text is the earlier moment.
  if at and (not oldest or at < oldest) then
    oldest = at
  end
end
return {number, oldest}
