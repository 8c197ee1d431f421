-- Change an alert's state and put its notifications into the outbox, if nobody changed the state since it was read.
-- KEYS[1] alert hash   KEYS[2] outbox (pending by next attempt)   KEYS[3] notifications by decision
-- KEYS[4] queue list   KEYS[5] set of RQ's queues   KEYS[6] names of alerts that fire
-- ARGV[1] version that the caller read   ARGV[2] state (JSON)   ARGV[3] time of the decision (epoch seconds)
-- ARGV[4] name of the alert        ARGV[5] 1 if it fires from now on
-- ARGV[6] number of notifications; then for each: id, notification key, job id, job key,
--         number of fields of the notification, its fields and values, number of fields of the job, its fields and values
-- Returns 1, or 0 when somebody else was faster.
if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 's', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'v', 1)
redis.call(ARGV[5] == '1' and 'SADD' or 'SREM', KEYS[6], ARGV[4])
local at = 7
for _ = 1, tonumber(ARGV[6]) do
  local id, key, job_id, job_key = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local fields = tonumber(ARGV[at + 4])
  redis.call('HSET', key, unpack(ARGV, at + 5, at + 4 + fields))
  at = at + 5 + fields
  local job_fields = tonumber(ARGV[at])
  redis.call('HSET', job_key, unpack(ARGV, at + 1, at + job_fields))
  at = at + 1 + job_fields
  redis.call('ZADD', KEYS[2], ARGV[3], id)
  redis.call('ZADD', KEYS[3], ARGV[3], id)
  redis.call('SADD', KEYS[5], KEYS[4])
  redis.call('RPUSH', KEYS[4], job_id)
end
return 1
