-- Values that begin with an instant replace those of the same or an earlier one.
-- KEYS: of the values.
-- ARGV: the values; each begins with its instant in ms, 8 bytes.
-- Returns the number of values that were put.
local put = 0
for number = 1, #KEYS do
  local former = redis.call('GETRANGE', KEYS[number], 0, 7)
  if #former == 0 or struct.unpack('<i8', former) <= struct.unpack('<i8', ARGV[number]) then
    redis.call('SET', KEYS[number], ARGV[number])
    put = put + 1
  end
end
return put
