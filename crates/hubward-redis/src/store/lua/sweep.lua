-- node, epoch, limit, lease in ms. Returns how many connections were removed, and whether nothing is left.
local node, epoch, limit, lease = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
-- How much a step may remove in all, memberships included: others wait for it, a few milliseconds.
local budget = 5000
notice_deaths(lease)
if not lives(node, epoch) then return { 'FENCED' } end
local removed, ended = 0, redis.call('HGETALL', K .. 'ended')
for i = 1, #ended, 2 do
  local dead = ended[i]
  -- Who sweeps it: until when, and the epoch of the sweeper.
  local lease_end, sweeper = string.match(ended[i + 1], '^(%d+) (%d+)$')
  lease_end = tonumber(lease_end)
  -- One that is later than any that begins now is of another clock.
  if not lease_end or sweeper == epoch or lease_end <= now or lease_end > now + lease then
    redis.call('HSET', K .. 'ended', dead, number(now + lease) .. ' ' .. epoch)
    while removed < limit do
      local some = redis.call('SRANDMEMBER', owned_key(dead), math.min(limit - removed, 100))
      if #some == 0 then
        redis.call('HDEL', K .. 'ended', dead)
        break
      end
      for _, entry in ipairs(some) do
        local hub, id = split(entry)
        local owner = hub and redis.call('HGET', connection_key(hub, id), 'o')
        if owner and read_owner(owner) == dead then budget = budget - end_connection(hub, id) end
        redis.call('SREM', owned_key(dead), entry)
        removed = removed + 1
        if budget <= 0 then return { 'OK', removed, 0 } end
      end
    end
    if removed >= limit then return { 'OK', removed, 0 } end
  end
end
return { 'OK', removed, 1 }
