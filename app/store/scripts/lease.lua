-- Take a lease, or renew one's own.
-- KEYS[1] the lease: its holder. Expires.   KEYS[2] how often it has changed hands: the fencing token
-- ARGV[1] who asks   ARGV[2] milliseconds until the lease expires
-- Returns the token, or 0 if somebody else has the lease.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if holder then
  return tonumber(redis.call('GET', KEYS[2]))
end
return redis.call('INCR', KEYS[2])
