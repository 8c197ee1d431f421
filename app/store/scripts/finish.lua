-- Remove finished jobs from RQ's intermediate list, with their hashes, and count them for the worker.
-- KEYS[1] intermediate list   KEYS[2] worker hash
-- ARGV[1] prefix of job keys   ARGV[2...] job ids
for i = 2, #ARGV do
  redis.call('LREM', KEYS[1], 1, ARGV[i])
  redis.call('DEL', ARGV[1] .. ARGV[i])
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HINCRBY', KEYS[2], 'successful_job_count', #ARGV - 1)
end
return #ARGV - 1
