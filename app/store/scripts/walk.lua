-- Scan records after a position, newest first, and return those that contain all given texts. Records that do not
-- match are not sent, which makes scanning thousands ten times cheaper.
-- KEYS[1] records by time
-- ARGV[1] highest score, as for ZRANGE   ARGV[2] lowest score, likewise   ARGV[3] how many to scan
-- ARGV[4] score of the position, empty for the beginning   ARGV[5] the member there (members with the same score that
-- Redis orders before it come after it)   ARGV[6] prefix of record keys   ARGV[7...] texts
-- Returns the number scanned, the last member, its score, and then member, score and record of each match.

-- Lua's own < depends on the locale; Redis compares bytes.
local function before(one, other)
  for at = 1, math.min(#one, #other) do
    local a, b = string.byte(one, at), string.byte(other, at)
    if a ~= b then return a < b end
  end
  return #one < #other
end

local function wanted(record)
  for text = 7, #ARGV do
    if not string.find(record, ARGV[text], 1, true) then return false end
  end
  return true
end

local most, place = tonumber(ARGV[3]), tonumber(ARGV[4])
local members, scores, names, offset, rows = {}, {}, {}, 0, nil
repeat
  rows = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2], 'BYSCORE', 'REV', 'LIMIT', offset, most, 'WITHSCORES')
  for at = 1, #rows, 2 do
    if #members < most and (tonumber(rows[at + 1]) ~= place or before(rows[at], ARGV[5])) then
      members[#members + 1], scores[#scores + 1] = rows[at], rows[at + 1]
      names[#names + 1] = ARGV[6] .. ':' .. rows[at]
    end
  end
  offset = offset + most
until #members == most or #rows < 2 * most

local found = {#members, members[#members] or '', scores[#scores] or ''}
if #names > 0 then
  for at, record in ipairs(redis.call('MGET', unpack(names))) do
    if record and wanted(record) then
      found[#found + 1], found[#found + 2], found[#found + 3] = members[at], scores[at], record
    end
  end
end
return found
