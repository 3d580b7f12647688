-- node, epoch. Ends an earlier life of the node as well: after a failover, Redis may not know of the later one.
local node, epoch = ARGV[1], ARGV[2]
notice_deaths()
local life = redis.call('HGET', K .. 'alive', node)
local current = life and read_life(life)
if current and tonumber(current) <= tonumber(epoch) then end_life('left', current, node) end
return { 'OK' }
