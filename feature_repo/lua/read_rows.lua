-- The newest row at or before an instant, for each of many rings of one view.
-- KEYS: rings.
-- ARGV: length of each row, 0 if it differs; row that says there is none; row that says that the
--       ring no longer reaches back; the instants, 8 bytes each.
-- Returns the rows, one after the other.
local size, none, ahead, instants = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local unpack_end = struct.unpack

-- Rows of different lengths: from the first on.
local function scan(ring, wanted)
  local found = ahead
  local at = 9
  while at <= #ring do
    local length, window_end = unpack_end('<I4i8', ring, at)
    if window_end > wanted then break end
    found = string.sub(ring, at, at + length - 1)
    at = at + length
  end
  return found
end

-- Rows of one length: halves.
local function search(ring, wanted)
  local low, high = 0, (#ring - 8) / size
  while low < high do
    local middle = math.floor((low + high) / 2)
    if unpack_end('<i8', ring, 13 + middle * size) <= wanted then
      low = middle + 1
    else
      high = middle
    end
  end
  if low == 0 then return ahead end
  return string.sub(ring, 9 + (low - 1) * size, 8 + low * size)
end

local rows = {}
for number = 1, #KEYS do
  local wanted = unpack_end('<i8', instants, 8 * number - 7)
  local row
  if size == 0 then
    local ring = redis.call('GET', KEYS[number])
    row = ring and scan(ring, wanted) or none
  else
    -- Mostly it is the newest row.
    local newest = redis.call('GETRANGE', KEYS[number], -size, -1)
    if #newest == 0 then
      row = none
    elseif unpack_end('<i8', newest, 5) <= wanted then
      row = newest
    else
      row = search(redis.call('GET', KEYS[number]), wanted)
    end
  end
  rows[number] = row
end
return table.concat(rows)
