-- Replace a workspace's evidence and records, and change the totals by the difference. Records are identified by their
-- usage key, so applying the same state twice changes nothing. The records named in ARGV[3] are replaced as a whole.
-- Hints for folded evidence are removed only if their number decreases; all other records, which are proved builds, are
-- permanent.
-- KEYS[1] workspace hash   KEYS[2] records by time   KEYS[3] totals
-- KEYS[4] proved records of the workspace that its hash does not list   KEYS[5] folded messages of the workspace
-- ARGV[1] version that the caller read   ARGV[2] evidence   ARGV[3] replaceable records (JSON array of keys, or of the numbers of hints)
-- ARGV[4] prefix of record keys          ARGV[5] prefix of tops    ARGV[6] workspace id
-- ARGV[7] number of the last proved build; empty to leave it unchanged
-- ARGV[8] the folded evidence (JSON); empty for nothing
-- ARGV[9] how many of the workspace's hints (hint:<workspace>:1 and so on) stand for it and are no longer derived
-- ARGV[10] number of messages that are folded now; then the digest of each
-- then seven for each record that is new, changed, or to be written once more: usage key, time, UTC day, weight, 1 if provisional, names (JSON), record (JSON)
-- Returns -1000000 when somebody else was faster (read again), else the change in units.

-- Bytes of the list in the hash, which is written as a whole, so that a build never costs more for a long history.
local LISTED_AT_MOST = 1000

if (redis.call('HGET', KEYS[1], 'v') or '0') ~= ARGV[1] then
  return -1000000
end

local function bump_total(field, by)
  if redis.call('HINCRBY', KEYS[3], field, by) == 0 then
    redis.call('HDEL', KEYS[3], field)
  end
end

local function move(day, weight, provisional, names, sign)
  local by = sign * weight
  local month = string.sub(day, 1, 7)
  bump_total('d:' .. day, by)
  bump_total('m:' .. month, by)
  if provisional then
    bump_total('pd:' .. day, by)
    bump_total('pm:' .. month, by)
  end
  for dimension, name in pairs(names) do
    for _, span in ipairs({day, month}) do
      local key = ARGV[5] .. ':' .. dimension .. ':' .. span
      if tonumber(redis.call('ZINCRBY', key, by, name)) <= 0 then
        redis.call('ZREM', key, name)
      end
    end
  end
  return by
end

-- A stored record is an array whose first five are: 1 if provisional, weight, user, template, organization.
local function names_of(record)
  return {user = record[3], template = record[4], organization = record[5]}
end

local change = 0

local function withdraw(usage_key, stored)
  local record = cjson.decode(string.sub(stored, 12))
  change = change + move(string.sub(stored, 1, 10), record[2], record[1] == 1, names_of(record), -1)
  redis.call('DEL', ARGV[4] .. ':' .. usage_key)
  redis.call('ZREM', KEYS[2], usage_key)
end

local hint = 'hint:' .. ARGV[6] .. ':'
local function key_of(number_or_key)
  return type(number_or_key) == 'number' and hint .. string.format('%d', number_or_key) or number_or_key
end

local kept, replaceable = {}, {}
for _, stored_key in ipairs(cjson.decode(ARGV[3])) do
  local usage_key = key_of(stored_key)
  replaceable[usage_key] = true
  kept[usage_key] = true
end
local listed = redis.call('HGET', KEYS[1], 'p') or ''
local proved = listed
local standing, folded = tonumber(ARGV[9]), tonumber(ARGV[10])
for i = 11 + folded, #ARGV, 7 do
  local usage_key, day = ARGV[i], ARGV[i + 2]
  kept[usage_key] = true
  local value = day .. '\n' .. ARGV[i + 6]
  local stored = redis.call('GET', ARGV[4] .. ':' .. usage_key)
  local final = not replaceable[usage_key] and ARGV[i + 4] ~= '1'
  if stored ~= value and not (stored and final) then
    if stored then withdraw(usage_key, stored) end
    redis.call('SET', ARGV[4] .. ':' .. usage_key, value)
    redis.call('ZADD', KEYS[2], ARGV[i + 1], usage_key)
    change = change + move(day, tonumber(ARGV[i + 3]), ARGV[i + 4] == '1', cjson.decode(ARGV[i + 5]), 1)
    if final and #proved + #usage_key < LISTED_AT_MOST and not string.find(usage_key, '\n', 1, true) then
      proved = proved == '' and usage_key or proved .. '\n' .. usage_key
    elseif final then
      redis.call('ZADD', KEYS[4], ARGV[i + 1], usage_key)
    end
  end
end

if proved ~= listed then
  redis.call('HSET', KEYS[1], 'p', proved)
end

local function let_go(usage_key)
  local stored = not kept[usage_key] and redis.call('GET', ARGV[4] .. ':' .. usage_key)
  if stored then withdraw(usage_key, stored) end
end

local function number_of(usage_key)
  return string.sub(usage_key, 1, #hint) == hint and tonumber(string.sub(usage_key, #hint + 1)) or math.huge
end
for _, stored_key in ipairs(cjson.decode(redis.call('HGET', KEYS[1], 'k') or '[]')) do
  local usage_key = key_of(stored_key)
  if number_of(usage_key) > standing then let_go(usage_key) end
end
local before = redis.call('HGET', KEYS[1], 'b')
for number = standing + 1, before and cjson.decode(before).records or 0 do
  let_go(key_of(number))
end
if ARGV[8] ~= '' then
  redis.call('HSET', KEYS[1], 'b', ARGV[8])
  for i = 11, 10 + folded do
    redis.call('SADD', KEYS[5], ARGV[i])
  end
elseif before then
  redis.call('HDEL', KEYS[1], 'b')
  redis.call('DEL', KEYS[5])
end
redis.call('HSET', KEYS[1], 'e', ARGV[2], 'k', ARGV[3])
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'n', ARGV[7])
end
redis.call('HINCRBY', KEYS[1], 'v', 1)
return change
