-- One step: the progress records of one slice of the progress topic.
-- KEYS: offsets, complete, queued, then counts, queue and completions of each view.
-- ARGV: offset field, expected offset, next offset, cap of completions, number of views,
--       their ids, then for each record: index of its view, window end, row count.
-- Returns the number of records queued.
local refused = fence(KEYS[1], ARGV[1], ARGV[2])
if refused then return refused end

local views = tonumber(ARGV[5])
local queued = 0
for record = 6 + views, #ARGV, 3 do
  local view, window_end, row_count = tonumber(ARGV[record]), ARGV[record + 1], ARGV[record + 2]
  local newest = redis.call('HGET', KEYS[3], ARGV[5 + view])
  -- A restarted job tells again what it told before.
  if not newest or tonumber(window_end) > tonumber(newest) then
    redis.call('RPUSH', KEYS[2 + view * 3], window_end .. ':' .. row_count)
    redis.call('HSET', KEYS[3], ARGV[5 + view], window_end)
    queued = queued + 1
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
for view = 1, views do
  local first = 1 + view * 3
  advance(ARGV[5 + view], KEYS[first], KEYS[first + 1], KEYS[2], KEYS[first + 2], ARGV[4])
end
return queued
