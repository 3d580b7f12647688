-- node, what it announces, lease in ms. Returns its epoch.
local node, info, lease = ARGV[1], ARGV[2], tonumber(ARGV[3])
notice_deaths(lease)
if redis.call('HEXISTS', K .. 'alive', node) == 1 then return { 'DUPLICATE' } end
-- Of the clock, so that epochs grow also after Redis has lost its data.
local epoch = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('GET', K .. 'epoch') or '0') or 0
if last >= 2 ^ 53 then last = 0 end
if epoch <= last then epoch = last + 1 end
epoch = number(epoch)
redis.call('SET', K .. 'epoch', epoch)
redis.call('HSET', K .. 'alive', node, epoch .. ' ' .. number(now + lease) .. ' 0')
redis.call('HSET', K .. 'nodes', node, info)
publish('joined', epoch, node, info)
return { 'OK', epoch }
