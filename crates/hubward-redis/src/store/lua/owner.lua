-- hub, connection. Returns epoch and node of who holds it, if that node lives.
local owner = redis.call('HGET', connection_key(ARGV[1], ARGV[2]), 'o')
if not owner then return { 'OK' } end
local epoch, node = read_owner(owner)
if lives(node, epoch) then return { 'OK', epoch, node } end
return { 'OK' }
