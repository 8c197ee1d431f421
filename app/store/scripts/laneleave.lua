-- Release a lane, and schedule it again if messages wait in it.
-- KEYS[1] lanes   KEYS[2] lane list   KEYS[3] claimed lanes   KEYS[4] lanes whose first message fails
-- ARGV[1] lane   ARGV[2] end of the claim   ARGV[3] when it is due again
-- Returns 1 if messages wait in it. If the claim has ended, nothing changes, and 0 is returned.
local held = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not held or tonumber(held) ~= tonumber(ARGV[2]) then
  return 0
end
redis.call('ZREM', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[4], ARGV[1])
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
return 1
