-- Returns for each node its id, its epoch, how many connections it has, whether it is about to leave (1 or 0), and what it
-- announced. One that has announced nothing is not one of these.
notice_deaths()
local listed = { 'OK' }
for epoch, node in pairs(living()) do
  local info = redis.call('HGET', K .. 'nodes', node)
  if info then
    local life = redis.call('HGET', K .. 'alive', node)
    listed[#listed + 1] = node
    listed[#listed + 1] = epoch
    listed[#listed + 1] = string.match(life, '(%d+)$')
    listed[#listed + 1] = is_draining(life) and '1' or '0'
    listed[#listed + 1] = info
  end
end
return listed
