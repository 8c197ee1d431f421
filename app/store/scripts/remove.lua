-- Delete a failed or waiting job and, if it carries a delivery, record the outcome of the delivery.
-- KEYS[1] registry of failed jobs   KEYS[2] queue list   KEYS[3] job hash   KEYS[4] results of the job
-- KEYS[5] record of the delivery    KEYS[6] deliveries by arrival   KEYS[7] queue in which its deployment's jobs wait
-- ARGV[1] job id   ARGV[2] its status as it was read
-- ARGV[3] record (JSON); empty for a job without delivery   ARGV[4] seconds to keep the record
-- ARGV[5] message id   ARGV[6] arrival (epoch seconds)
-- Returns 1 if it was deleted; 0 if a worker has taken it, or it was requeued or deleted in the meantime.
if redis.call('HGET', KEYS[3], 'status') ~= ARGV[2] then
  return 0
end
local removed
if ARGV[2] == 'queued' then
  -- Jobs that a worker takes as a batch stay `queued`, but are no longer in the list.
  removed = redis.call('LREM', KEYS[2], 0, ARGV[1]) + redis.call('LREM', KEYS[7], 0, ARGV[1])
else
  removed = redis.call('ZREM', KEYS[1], ARGV[1])
end
if removed == 0 then
  return 0
end
redis.call('DEL', KEYS[3], KEYS[4])
if ARGV[3] ~= '' then
  redis.call('SET', KEYS[5], ARGV[3], 'EX', ARGV[4])
  redis.call('ZADD', KEYS[6], ARGV[6], ARGV[5])
end
return 1
