-- Move failed jobs to the end of their queue, atomically: each is always in exactly one of the two places.
-- KEYS[1] registry of failed jobs   KEYS[2] queue list   KEYS[3] set of RQ's queues
-- ARGV[1] prefix of job keys   ARGV[2] current time in RQ's format   ARGV[3...] job ids
-- Returns the ids that were queued. For a job that was queued otherwise, only the stale entry is removed.
local queued = {}
for i = 3, #ARGV do
  local id = ARGV[i]
  if redis.call('ZREM', KEYS[1], id) == 1 then
    local key = ARGV[1] .. id
    local status = redis.call('HGET', key, 'status')
    if status == 'failed' or status == 'stopped' then
      redis.call('HSET', key, 'status', 'queued', 'enqueued_at', ARGV[2])
      redis.call('HDEL', key, 'started_at', 'ended_at', 'last_heartbeat', 'worker_name', 'exc_info')
      redis.call('PERSIST', key)
      redis.call('SADD', KEYS[3], KEYS[2])
      redis.call('RPUSH', KEYS[2], id)
      queued[#queued + 1] = id
    end
  end
end
return queued
