-- Save the state of a pass after a step, unless another process was faster.
-- KEYS[1] hash of the pass: v version, s state (JSON)   KEYS[2] workspaces that it has seen
-- ARGV[1] version that the step began from   ARGV[2] state after it   ARGV[3] 1 to forget what was seen
-- ARGV[4] seconds to keep what was seen      ARGV[5...] workspaces that the step has seen
-- Returns 1 if the state was saved, 0 if the version had changed.
if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'v', ARGV[1] + 1, 's', ARGV[2])
if ARGV[3] == '1' then
  redis.call('DEL', KEYS[2])
end
for i = 5, #ARGV do
  redis.call('SADD', KEYS[2], ARGV[i])
end
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
