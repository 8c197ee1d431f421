-- For wrk: POST one delivery after another, each with a message id and a workspace of its own.
-- Arguments: file of the body, the message id in it, the workspace id in it, prefix of new ids (8 hex digits),
-- the Authorization header, and `new` or `same` (every delivery is the first one again).
local parts, order, prefix, headers, same = {}, {}, nil, nil, false
local count = 0

local function cut(text, message_id, workspace_id)
  local at = 1
  while true do
    local m, w = text:find(message_id, at, true), text:find(workspace_id, at, true)
    local hit = math.min(m or math.huge, w or math.huge)
    if hit == math.huge then break end
    parts[#parts + 1] = text:sub(at, hit - 1)
    order[#order + 1] = hit == m and "m" or "w"
    at = hit + 36
  end
  parts[#parts + 1] = text:sub(at)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  cut(file:read("*a"), args[2], args[3])
  file:close()
  prefix, same = args[4], args[6] == "same"
  headers = {["Content-Type"] = "application/json", ["Authorization"] = args[5]}
end

function request()
  if count == 0 or not same then count = count + 1 end
  local message_id = string.format("%s-0000-4000-8000-%012x", prefix, count)
  local workspace_id = string.format("%s-1111-4000-8000-%012x", prefix, count)
  local body = {}
  for at = 1, #order do
    body[2 * at - 1] = parts[at]
    body[2 * at] = order[at] == "m" and message_id or workspace_id
  end
  body[#body + 1] = parts[#parts]
  headers["X-Message-Id"] = message_id
  return wrk.format("POST", nil, headers, table.concat(body))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
