-- Change an alert's state, add its notifications to the outbox and store the event, if nobody changed the state since
-- it was read. Without a version, only add notifications that do not exist yet.
-- KEYS[1] alert hash   KEYS[2] outbox (pending by next attempt)   KEYS[3] notifications by decision
-- KEYS[4] names of firing alerts   KEYS[5] events by time   KEYS[6] newest notification by receiver and alert
-- ARGV[1] version that the caller read; empty for none   ARGV[2] state (JSON)   ARGV[3] time of the decision (epoch)
-- ARGV[4] name of the alert        ARGV[5] 1 if it fires from now on        ARGV[6] event (JSON); empty for none
-- ARGV[7] number of notifications; then for each: id, notification key, field of KEYS[6], number of
--         fields of the notification, its fields and values
-- last ARGV: the announcement (JSON); empty to leave it unchanged
-- Returns 1, or 0 if another process changed the state first.
if ARGV[1] ~= '' then
  if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then
    return 0
  end
  redis.call('HSET', KEYS[1], 's', ARGV[2])
  redis.call('HINCRBY', KEYS[1], 'v', 1)
  if ARGV[#ARGV] ~= '' then
    redis.call('HSET', KEYS[1], 'a', ARGV[#ARGV])
  end
  redis.call(ARGV[5] == '1' and 'SADD' or 'SREM', KEYS[4], ARGV[4])
end
if ARGV[6] ~= '' then
  redis.call('ZADD', KEYS[5], ARGV[3], ARGV[6])
end
local at = 8
for _ = 1, tonumber(ARGV[7]) do
  local id, key, newest, fields = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  if redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, unpack(ARGV, at + 4, at + 3 + fields))
    redis.call('HSET', KEYS[6], newest, id)
    redis.call('ZADD', KEYS[2], ARGV[3], id)
    redis.call('ZADD', KEYS[3], ARGV[3], id)
  end
  at = at + 4 + fields
end
return 1
