-- Save and queue a ready-made RQ job unless the same job is still under way or, where asked, was ever queued.
-- KEYS[1] job hash   KEYS[2] queue list   KEYS[3] set of RQ's queues   KEYS[4] mark of a job that is queued only once
-- ARGV[1] job id   ARGV[2] seconds to keep the mark; 0 for a job that may come again
-- ARGV[3...] field, value, ... of the job hash
-- Returns 1 when it was queued.
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'queued' or status == 'started' or status == 'scheduled' or status == 'deferred' then
  return 0
end
if ARGV[2] ~= '0' and not redis.call('SET', KEYS[4], '1', 'NX', 'EX', ARGV[2]) then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('SADD', KEYS[3], KEYS[2])
redis.call('RPUSH', KEYS[2], ARGV[1])
return 1
