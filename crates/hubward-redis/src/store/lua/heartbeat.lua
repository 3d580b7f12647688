-- node, epoch, lease in ms, how many connections it has, and 'draining ' where it is about to leave, or nothing.
local node, epoch, lease, draining = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[5]
notice_deaths(lease)
if not lives(node, epoch) then return { 'FENCED' } end
local was_draining = is_draining(redis.call('HGET', K .. 'alive', node))
redis.call('HSET', K .. 'alive', node, epoch .. ' ' .. number(now + lease) .. ' ' .. draining .. ARGV[4])
if draining ~= '' and not was_draining then publish('draining', epoch, node) end
remove_expired(500)
return { 'OK' }
