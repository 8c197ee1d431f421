-- Save and queue a ready-made RQ job unless the same job is still under way.
-- KEYS[1] job hash   KEYS[2] queue list   KEYS[3] set of RQ's queues
-- ARGV[1] job id   ARGV[2...] field, value, ... of the job hash
-- Returns 1 when it was queued.
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'queued' or status == 'started' or status == 'scheduled' or status == 'deferred' then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('SADD', KEYS[3], KEYS[2])
redis.call('RPUSH', KEYS[2], ARGV[1])
return 1
