-- Claim a pending notification for one attempt, so that two jobs do not both send it.
-- KEYS[1] notification hash   KEYS[2] outbox
-- ARGV[1] now (epoch seconds)   ARGV[2] end of the claim (epoch seconds)   ARGV[3] notification id
-- Returns its fields; nothing if it has ended or expired, or another job has claimed it.
if redis.call('HGET', KEYS[1], 'state') ~= 'pending' then
  redis.call('ZREM', KEYS[2], ARGV[3])
  return {}
end
if tonumber(redis.call('HGET', KEYS[1], 'claimed_until') or '0') > tonumber(ARGV[1]) then
  return {}
end
redis.call('HSET', KEYS[1], 'claimed_until', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSETNX', KEYS[1], 'tried_at', ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[3])
return redis.call('HGETALL', KEYS[1])
