-- Add refused posts to the counters of their reasons. The hash has four fields for each reason, and reasons are few.
-- KEYS[1] hash: for each reason `<reason>:total`, `:count` (of the newest run), `:since` (its beginning), `:last`
-- ARGV[1] longest pause within a run, in seconds
-- ARGV[2...] four for each reason: reason, how many, time of the first, time of the last
for at = 2, #ARGV, 4 do
  local reason, more, first, last = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local before = tonumber(redis.call('HGET', KEYS[1], reason .. ':last') or '-inf')
  if tonumber(first) - before > tonumber(ARGV[1]) then
    redis.call('HSET', KEYS[1], reason .. ':since', first, reason .. ':count', 0)
  end
  redis.call('HINCRBY', KEYS[1], reason .. ':total', more)
  redis.call('HINCRBY', KEYS[1], reason .. ':count', more)
  -- Processes write in any order.
  if tonumber(last) > before then
    redis.call('HSET', KEYS[1], reason .. ':last', last)
  end
end
