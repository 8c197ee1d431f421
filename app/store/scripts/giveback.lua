-- Return a job that a worker has just taken to the head of its queue, if the queue is paused.
-- KEYS[1] marks   KEYS[2] intermediate list   KEYS[3] queue list
-- ARGV[1] mark of the pause   ARGV[2] job id
-- Returns 1 if it was returned.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('LREM', KEYS[2], 1, ARGV[2])
redis.call('LPUSH', KEYS[3], ARGV[2])
return 1
