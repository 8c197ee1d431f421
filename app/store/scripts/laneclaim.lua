-- Claim a lane for a while, unless another worker has claimed it or it is not due.
-- KEYS[1] lanes   KEYS[2] lane list   KEYS[3] claimed lanes
-- ARGV[1] lane   ARGV[2] current time   ARGV[3] end of the claim
-- Returns 1 if it is claimed now, otherwise 0. A lane without messages is removed.
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
local held = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not due or tonumber(due) > tonumber(ARGV[2]) or (held and tonumber(held) > tonumber(ARGV[2])) then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return 0
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
return 1
