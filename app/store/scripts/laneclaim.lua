-- Take a lane into one's hands for a while, unless somebody has it or it waits for its time.
-- KEYS[1] lanes   KEYS[2] lane list   KEYS[3] lanes in hands
-- ARGV[1] lane   ARGV[2] present time   ARGV[3] until when it is ours
-- Returns 1 when it is ours now; 0 otherwise. A lane without messages is forgotten.
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
