-- Record the end of one message for one target: delivered or failed. Repeating it changes nothing.
-- KEYS[1] message hash   KEYS[2] lane list   KEYS[3] pending messages of the target   KEYS[4] original
-- KEYS[5] failed messages of the target   KEYS[6] counters   KEYS[7] lanes whose first message fails
-- ARGV[1] message id   ARGV[2] target   ARGV[3] state   ARGV[4] reason   ARGV[5] current time   ARGV[6] lane
-- ARGV[7] the method used   ARGV[8] 1 if a failed message may be replayed
-- The original is deleted once every target has received it. If it may be replayed, it is kept until it expires.
redis.call('LREM', KEYS[2], 0, ARGV[1])
if redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then
  return 0
end
redis.call('HDEL', KEYS[7], ARGV[6])
redis.call('HINCRBY', KEYS[6], ARGV[2] .. ' ' .. ARGV[3], 1)
local left = 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], ARGV[2] .. '/state', ARGV[3], ARGV[2] .. '/reason', ARGV[4], ARGV[2] .. '/at', ARGV[5],
    ARGV[2] .. '/via', ARGV[7])
  if ARGV[3] == 'failed' and ARGV[8] == '1' then
    left = 1
  else
    left = redis.call('HINCRBY', KEYS[1], 'open', -1)
  end
end
if ARGV[3] == 'failed' then
  redis.call('ZADD', KEYS[5], ARGV[5], ARGV[1])
end
if left <= 0 then
  redis.call('DEL', KEYS[4])
end
return 1
