-- Put back the state of an alert that was lost, unless the stored one is as new.
-- KEYS[1] alert hash   KEYS[2] set of firing alerts   ARGV[1] version   ARGV[2] state (JSON)   ARGV[3] text (JSON), or ''
-- ARGV[4] name
-- Returns 1 if it was put back.
if tonumber(redis.call('HGET', KEYS[1], 'v') or '0') >= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'v', ARGV[1], 's', ARGV[2])
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'a', ARGV[3])
end
redis.call('SADD', KEYS[2], ARGV[4])
return 1
