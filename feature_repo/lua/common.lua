-- Refuses a writer that is not where the store is: a former owner of the partition, or one that
-- started before the store was emptied.
local function fence(offsets, field, expected)
  local stored = redis.call('HGET', offsets, field) or '0'
  if stored ~= expected then
    return redis.error_reply('FENCED ' .. stored)
  end
end

-- Takes satisfied progress records from the head of a view's queue, in order.
local function advance(view, counts, queue, complete, completions, cap)
  local now
  local newest
  while true do
    local head = redis.call('LINDEX', queue, 0)
    if not head then break end
    local window_end, row_count = string.match(head, '^(%-?%d+):(%d+)$')
    if (redis.call('HGET', counts, window_end) or '0') ~= row_count then break end
    redis.call('LPOP', queue)
    if row_count ~= '0' then redis.call('HDEL', counts, window_end) end
    if not now then
      local time = redis.call('TIME')
      now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
    end
    redis.call('RPUSH', completions, window_end .. ':' .. now)
    newest = window_end
  end
  if newest then
    redis.call('HSET', complete, view, newest)
    redis.call('LTRIM', completions, -cap, -1)
  end
end
