-- Remove a workspace from the list to verify, or postpone it, unless it was requested again in the meantime.
-- If Coder answered for it, also keep it open as a task's workspace, or remove one that was closing and has ended.
-- KEYS[1] workspaces to verify
-- ARGV[1] workspace id   ARGV[2] when it was due as read   ARGV[3] when to check again; empty for never
-- If Coder answered: KEYS[2] closing workspaces   KEYS[3] open workspaces   KEYS[4] failures for single workspaces
-- ARGV[4] 1 if it belongs to a task   ARGV[5] 1 if no build is in progress
-- Returns 1 if the list was changed.
if #KEYS > 1 then
  redis.call('HDEL', KEYS[4], ARGV[1])
  if ARGV[5] == '1' and redis.call('SREM', KEYS[2], ARGV[1]) == 1 then
    redis.call('SREM', KEYS[3], ARGV[1])
  elseif ARGV[4] == '1' then
    redis.call('SADD', KEYS[3], ARGV[1])
  end
end
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) ~= tonumber(ARGV[2]) then
  return 0
end
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
end
return 1
