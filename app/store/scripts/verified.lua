-- Remove a workspace from the list to verify, or postpone it, unless it was requested again in the meantime.
-- KEYS[1] workspaces to verify
-- ARGV[1] workspace id   ARGV[2] when it was due as read   ARGV[3] when to check again; empty for never
-- Returns 1 if the list was changed.
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
