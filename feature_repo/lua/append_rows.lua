-- One step: the rows of one slice of one partition of a view's topic.
-- KEYS: offsets, complete, counts, queue, completions, then ring and Feast hash of each entity.
-- ARGV: offset field, expected offset, next offset, view id, cap of completions, reach in ms,
--       origin row, number of hash fields, their names,
--       then for each entity: its packed rows in order of arrival, values of the hash fields for
--       the newest of them.
-- Returns the number of rows appended.
local refused = fence(KEYS[1], ARGV[1], ARGV[2])
if refused then return refused end

local reach, origin, fields = tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8])
-- Rows are dropped many at a time: each time the whole ring is written anew.
local slack = reach / 4
local first_entity = 9 + fields
local appended_at, appended = {}, 0
local call, unpack_end, pack_end = redis.call, struct.unpack, struct.pack

-- Drops the rows before the newest one at or before the cutoff; returns where that one begins.
local function first_kept(rows, cutoff)
  local first = 1
  while true do
    local following = first + unpack_end('<I4', rows, first)
    if following > #rows then return first end
    if unpack_end('<i8', rows, following + 4) > cutoff then return first end
    first = following
  end
end

for entity = 0, (#KEYS - 5) / 2 - 1 do
  local ring_key, hash_key = KEYS[6 + entity * 2], KEYS[7 + entity * 2]
  local argument = first_entity + entity * (fields + 1)
  local arrived = ARGV[argument]
  -- Newest window end, first row, and window end of the second one.
  local start = call('GETRANGE', ring_key, 0, #origin + 19)
  local newest, first_length
  if #start > 0 then newest, first_length = unpack_end('<i8I4', start) end
  local added = {}
  local at = 1
  while at <= #arrived do
    local length, window_end = unpack_end('<I4i8', arrived, at)
    if not newest or window_end > newest then
      newest = window_end
      added[#added + 1] = string.sub(arrived, at, at + length - 1)
      appended_at[window_end] = (appended_at[window_end] or 0) + 1
      appended = appended + 1
    end
    at = at + length
  end
  if #added > 0 then
    local fresh = table.concat(added)
    local second = ''
    if first_length and #start >= first_length + 20 then
      second = string.sub(start, first_length + 13, first_length + 20)
    elseif first_length and first_length > #origin then
      second = call('GETRANGE', ring_key, first_length + 12, first_length + 19)
    end
    if #second == 0 then second = string.sub(added[1], 5, 12) end
    local is_long = unpack_end('<i8', second) <= newest - reach - slack
    local head = pack_end('<i8', newest)
    if is_long or not first_length then
      local rows = (first_length and call('GETRANGE', ring_key, 8, -1) or origin) .. fresh
      call('SET', ring_key, head .. string.sub(rows, is_long and first_kept(rows, newest - reach) or 1))
    else
      call('SETRANGE', ring_key, 0, head)
      call('APPEND', ring_key, fresh)
    end
    local hash = {}
    for field = 1, fields do
      hash[2 * field - 1] = ARGV[8 + field]
      hash[2 * field] = ARGV[argument + field]
    end
    call('HSET', hash_key, unpack(hash))
  end
end

for window_end, count in pairs(appended_at) do
  redis.call('HINCRBY', KEYS[3], string.format('%.0f', window_end), count)
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
advance(ARGV[4], KEYS[3], KEYS[4], KEYS[2], KEYS[5], ARGV[5])
return appended
