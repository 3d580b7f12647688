-- hub, connection, node, epoch.
local hub, id, node, epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if not lives(node, epoch) then return { 'FENCED' } end
if redis.call('HGET', connection_key(hub, id), 'o') == epoch .. ' ' .. node then end_connection(hub, id) end
return { 'OK' }
