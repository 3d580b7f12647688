-- Returns for each node its id, its epoch, how many connections it has, and what it announced.
notice_deaths()
local listed = { 'OK' }
for epoch, node in pairs(living()) do
  listed[#listed + 1] = node
  listed[#listed + 1] = epoch
  listed[#listed + 1] = string.match(redis.call('HGET', K .. 'alive', node), '(%d+)$')
  listed[#listed + 1] = redis.call('HGET', K .. 'nodes', node) or ''
end
return listed
