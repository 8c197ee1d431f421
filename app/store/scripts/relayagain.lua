-- Retry a message that failed for a target, after the messages that are waiting.
-- KEYS[1] message hash   KEYS[2] lane list   KEYS[3] pending messages of the target   KEYS[4] original
-- KEYS[5] failed messages of the target   KEYS[6] lanes   KEYS[7] job hash   KEYS[8] queue list   KEYS[9] RQ's queues
-- ARGV[1] message id   ARGV[2] target   ARGV[3] lane   ARGV[4] current time   ARGV[5] job id   ARGV[6...] job fields
-- Returns 1 if it waits again, 0 if it has not failed, -1 if its original no longer exists.
if redis.call('HGET', KEYS[1], ARGV[2] .. '/state') ~= 'failed' then
  return 0
end
if redis.call('EXISTS', KEYS[4]) == 0 then
  return -1
end
redis.call('HSET', KEYS[1], ARGV[2] .. '/state', 'pending', ARGV[2] .. '/since', ARGV[4])
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[1])
if redis.call('ZADD', KEYS[6], 'NX', tonumber(ARGV[4]) - 1, ARGV[3]) == 1 then
  redis.call('HSET', KEYS[7], unpack(ARGV, 6))
  redis.call('SADD', KEYS[9], KEYS[8])
  redis.call('RPUSH', KEYS[8], ARGV[5])
end
return 1
