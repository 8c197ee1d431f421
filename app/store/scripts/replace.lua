-- Put another text in place of one that is still as it was read, and let it expire when that would have.
-- KEYS[1] key   ARGV[1] the text as it was read   ARGV[2] the new one
-- Returns 1 when it was replaced.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
