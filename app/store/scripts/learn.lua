-- Add the name of a deployment, up to a maximum.
-- KEYS[1] set of deployments   ARGV[1] deployment   ARGV[2] how many may be known; negative for no maximum
-- Returns 1 if it is known now, 0 if there are too many.
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then
  return 1
end
local most = tonumber(ARGV[2])
if most >= 0 and redis.call('SCARD', KEYS[1]) >= most then
  return 0
end
redis.call('SADD', KEYS[1], ARGV[1])
return 1
