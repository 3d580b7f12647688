-- node, epoch, lease in ms, how many connections it has.
local node, epoch, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
notice_deaths(lease)
if not lives(node, epoch) then return { 'FENCED' } end
redis.call('HSET', K .. 'alive', node, epoch .. ' ' .. number(now + lease) .. ' ' .. ARGV[4])
remove_expired(500)
return { 'OK' }
