-- Replace records by versions with other names, and move the totals by name accordingly.
-- ARGV[1] prefix of record keys   ARGV[2] prefix of tops
-- ARGV[3...] three for each record: usage key, the record as it was read, the record with its new names
-- Returns the number of changed records; a record that changed since it was read stays unchanged.
local changed = 0
for i = 3, #ARGV, 3 do
  local key, before, after = ARGV[1] .. ':' .. ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('GET', key) == before then
    redis.call('SET', key, after)
    changed = changed + 1
    local day = string.sub(before, 1, 10)
    local old, new = cjson.decode(string.sub(before, 12)), cjson.decode(string.sub(after, 12))
    for place, dimension in pairs({[3] = 'user', [4] = 'template', [5] = 'organization'}) do
      if old[place] ~= new[place] then
        for _, span in ipairs({day, string.sub(day, 1, 7)}) do
          local top = ARGV[2] .. ':' .. dimension .. ':' .. span
          if tonumber(redis.call('ZINCRBY', top, -old[2], old[place])) <= 0 then
            redis.call('ZREM', top, old[place])
          end
          redis.call('ZINCRBY', top, new[2], new[place])
        end
      end
    end
  end
end
return changed
