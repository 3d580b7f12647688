-- hub, group, connection, node, epoch.
local hub, group, id, node, epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if not lives(node, epoch) then return { 'FENCED' } end
local key = connection_key(hub, id)
local record = redis.call('HMGET', key, 'o', 'u')
if record[1] ~= epoch .. ' ' .. node then return { 'NOT_OWNER' } end
if record[2] and is_banned(hub, group, record[2]) then return { 'BANNED' } end
redis.call('HSET', key, 'g' .. group, '')
redis.call('ZADD', group_key(hub, group), 0, 'c' .. id)
return { 'OK' }
