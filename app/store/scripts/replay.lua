-- Queue a stored delivery again, unless its record has changed since it was read, or its job is queued or running.
-- KEYS[1] record of the delivery   KEYS[2] job hash   KEYS[3] queue list   KEYS[4] set of RQ's queues
-- KEYS[5] registry of failed jobs
-- ARGV[1] the record as it was read (JSON)   ARGV[2] job id   ARGV[3...] field, value, ... of the job hash
-- Returns 1 if it was queued.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
local status = redis.call('HGET', KEYS[2], 'status')
if status == 'queued' or status == 'started' or status == 'scheduled' or status == 'deferred' then
  return 0
end
redis.call('ZREM', KEYS[5], ARGV[2])
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
redis.call('SADD', KEYS[4], KEYS[3])
redis.call('RPUSH', KEYS[3], ARGV[2])
return 1
