-- node, epoch, lease in ms.
local node, epoch, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
notice_deaths()
if not lives(node, epoch) then return { 'FENCED' } end
redis.call('HSET', K .. 'alive', node, epoch .. ' ' .. number(now + lease))
remove_expired(500)
return { 'OK' }
