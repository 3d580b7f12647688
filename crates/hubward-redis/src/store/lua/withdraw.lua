-- node, epoch.
local node, epoch = ARGV[1], ARGV[2]
notice_deaths()
if lives(node, epoch) then end_life('left', epoch, node) end
return { 'OK' }
