-- Take a workspace off the list of those to be verified, or put it off, unless it was asked for again meanwhile.
-- KEYS[1] workspaces to be verified
-- ARGV[1] workspace id   ARGV[2] time it was due when it was taken up   ARGV[3] when to look again; empty for never
-- Returns 1 when the list was changed.
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
