-- hub, group, connection, node, epoch.
local hub, group, id, node, epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not lives(node, epoch) then return { 'FENCED' } end
local key = connection_key(hub, id)
if redis.call('HGET', key, 'o') == epoch .. ' ' .. node then
  redis.call('HDEL', key, 'g' .. group)
  redis.call('ZREM', group_key(hub, group), 'c' .. id)
end
return { 'OK' }
