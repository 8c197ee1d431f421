-- Begin a login attempt, or take it back. It counts as failed from the start, so that parallel attempts all count.
-- KEYS hashes of counters: `n` attempts, `until` when the next is allowed
-- ARGV[1] `begin` or `forgive`   ARGV[2] current time   ARGV[3] seconds for which counters are kept
-- ARGV[4...] two for each key: attempts without delay, maximum delay in seconds
-- Returns the seconds to wait as text: `0` if the attempt may be made.
if ARGV[1] == 'forgive' then
  for _, key in ipairs(KEYS) do
    if redis.call('EXISTS', key) == 1 then
      redis.call('HINCRBY', key, 'n', -1)
      redis.call('HDEL', key, 'until')
    end
  end
  return '0'
end

local now = tonumber(ARGV[2])
local wait = 0
for number, key in ipairs(KEYS) do
  local left = tonumber(redis.call('HGET', key, 'until') or '0') - now
  -- If the clock was set back, nobody must be locked out for longer than the maximum delay.
  wait = math.max(wait, math.min(left, tonumber(ARGV[3 + 2 * number])))
end
if wait > 0 then
  return tostring(wait)
end

for number, key in ipairs(KEYS) do
  local free, longest = tonumber(ARGV[2 + 2 * number]), tonumber(ARGV[3 + 2 * number])
  local over = redis.call('HINCRBY', key, 'n', 1) - free
  if over >= 0 then
    redis.call('HSET', key, 'until', string.format('%.3f', now + math.min(2 ^ math.min(over, 30), longest)))
  end
  redis.call('EXPIRE', key, ARGV[3])
end
return '0'
