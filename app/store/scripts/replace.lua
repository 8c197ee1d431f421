-- Replace a text that has not changed since it was read, and keep its expiry.
-- KEYS[1] key   ARGV[1] the text as it was read   ARGV[2] the new one
-- Returns 1 if it was replaced.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
