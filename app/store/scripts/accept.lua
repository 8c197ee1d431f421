-- Remember a message id and, if it is new, save and queue its ready-made RQ job: one round trip, all or nothing.
-- While the main queue is full, deliveries wait in a separate queue of their deployment (app/store/rq/turns.py).
-- KEYS[1] seen ids of this year   KEYS[2] seen ids of last year   KEYS[3] job hash   KEYS[4] queue list
-- KEYS[5] set of RQ's queues      KEYS[6] stats                   KEYS[7] set of deployments
-- KEYS[8] the deployment's own queue   KEYS[9] the deployments whose turn it is
-- ARGV[1] digest of the message id   ARGV[2] expiry of this year's ids (epoch seconds)   ARGV[3] job id
-- ARGV[4] arrival (epoch seconds)    ARGV[5] deployment
-- ARGV[6] how many deployments may be known; negative for a configured one, which is always accepted
-- ARGV[7] how many jobs the queue holds before others wait in those of their deployments
-- ARGV[8] the fields that all jobs of the queue share (JSON array: field, value, ...)
-- ARGV[9] what to relay, from app/store/relay/relays.py (JSON); empty for nothing   ARGV[10] the sealed original
-- ARGV[11...] field, value, ... of this job's own fields
-- With something to relay: KEYS[10] original   KEYS[11] message hash   KEYS[12] messages   KEYS[13] lanes
-- KEYS[14] targets, and for each lane four: lane list, pending messages of the target, job hash, queue list
-- Returns 1 if it was queued, 0 for a duplicate, -1 if there are too many deployments.
local most = tonumber(ARGV[6])
if most >= 0 and redis.call('SISMEMBER', KEYS[7], ARGV[5]) == 0 and redis.call('SCARD', KEYS[7]) >= most then
  return -1
end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 or redis.call('HSETNX', KEYS[1], ARGV[1], '') == 0 then
  redis.call('HINCRBY', KEYS[6], 'duplicate', 1)
  return 0
end
if redis.call('HLEN', KEYS[1]) == 1 then
  redis.call('EXPIREAT', KEYS[1], ARGV[2])
  redis.call('SADD', KEYS[7], ARGV[5])
end
-- The message is new, so a job with this id belongs to another: deployment "a" with message "b-c", or "a-b" with "c".
local key, id = KEYS[3], ARGV[3]
while redis.call('EXISTS', key) == 1 do
  key, id = key .. '_', id .. '_'
end
redis.call('HSET', key, unpack(ARGV, 11))
redis.call('HSET', key, unpack(cjson.decode(ARGV[8])))
local list = KEYS[4]
if redis.call('LLEN', list) >= tonumber(ARGV[7]) then
  list = KEYS[8]
end
redis.call('SADD', KEYS[5], list)
if redis.call('RPUSH', list, id) == 1 and list == KEYS[8] then
  redis.call('RPUSH', KEYS[9], ARGV[5])
end
redis.call('HINCRBY', KEYS[6], 'accepted', 1)
redis.call('HSET', KEYS[6], 'last_delivery_at', ARGV[4])
if ARGV[9] ~= '' then
  local relay = cjson.decode(ARGV[9])
  redis.call('SET', KEYS[10], ARGV[10], 'EX', relay.keep)
  redis.call('HSET', KEYS[11], unpack(relay.fields))
  redis.call('EXPIRE', KEYS[11], relay.expire)
  redis.call('ZADD', KEYS[12], ARGV[4], relay.id)
  for n, one in ipairs(relay.lanes) do
    local at = 10 + 4 * n
    redis.call('SADD', KEYS[14], one.target)
    redis.call('RPUSH', KEYS[at + 1], relay.id)
    redis.call('ZADD', KEYS[at + 2], ARGV[4], relay.id)
    -- A known lane is claimed by a worker, or not due yet. A new one is due at once, even if the worker's clock is
    -- slightly behind.
    if redis.call('ZADD', KEYS[13], 'NX', tonumber(ARGV[4]) - 1, one.lane) == 1 then
      redis.call('HSET', KEYS[at + 3], unpack(one.job))
      redis.call('SADD', KEYS[5], KEYS[at + 4])
      redis.call('RPUSH', KEYS[at + 4], one.id)
    end
  end
end
return 1
