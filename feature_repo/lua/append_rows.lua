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
local first_entity = 9 + fields
local appended_at, appended = {}, 0

-- Drops the rows before the newest one at or before the cutoff; returns where that one begins.
local function first_kept(rows, cutoff)
  local first = 1
  while true do
    local following = first + struct.unpack('<I4', rows, first)
    if following > #rows then return first end
    if struct.unpack('<i8', rows, following + 4) > cutoff then return first end
    first = following
  end
end

for entity = 0, (#KEYS - 5) / 2 - 1 do
  local ring_key, hash_key = KEYS[6 + entity * 2], KEYS[7 + entity * 2]
  local argument = first_entity + entity * (fields + 1)
  local arrived = ARGV[argument]
  local ring = redis.call('GET', ring_key)
  local newest = ring and struct.unpack('<i8', ring, 1)
  local added = {}
  local at = 1
  while at <= #arrived do
    local length, window_end = struct.unpack('<I4i8', arrived, at)
    if not newest or window_end > newest then
      newest = window_end
      added[#added + 1] = string.sub(arrived, at, at + length - 1)
      appended_at[window_end] = (appended_at[window_end] or 0) + 1
      appended = appended + 1
    end
    at = at + length
  end
  if #added > 0 then
    local head = struct.pack('<i8', newest)
    local fresh = table.concat(added)
    local rows = (ring and string.sub(ring, 9) or origin) .. fresh
    local first = first_kept(rows, newest - reach)
    if ring and first == 1 then
      -- The same as the SET below, with less to write to the server's log.
      redis.call('SETRANGE', ring_key, 0, head)
      redis.call('APPEND', ring_key, fresh)
    else
      redis.call('SET', ring_key, head .. string.sub(rows, first))
    end
    local hash = {}
    for field = 1, fields do
      hash[2 * field - 1] = ARGV[8 + field]
      hash[2 * field] = ARGV[argument + field]
    end
    redis.call('HSET', hash_key, unpack(hash))
  end
end

for window_end, count in pairs(appended_at) do
  redis.call('HINCRBY', KEYS[3], string.format('%.0f', window_end), count)
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
advance(ARGV[4], KEYS[3], KEYS[4], KEYS[2], KEYS[5], ARGV[5])
return appended
