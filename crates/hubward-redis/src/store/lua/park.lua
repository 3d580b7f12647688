-- hub, connection, node, epoch, the sealed session, for how long it is kept in ms.
local hub, id, node, epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if not lives(node, epoch) then return { 'FENCED' } end
if redis.call('HGET', connection_key(hub, id), 'o') ~= epoch .. ' ' .. node then return { 'NOT_OWNER' } end
-- Before it stands who has taken it: nobody yet.
if tonumber(ARGV[6]) > 0 then redis.call('SET', parked_key(hub, id), within('') .. ARGV[5], 'PX', ARGV[6]) end
return { 'OK' }
