-- hub, connection, user, whether it has one, node, epoch, claim in ms. Returns the groups of the user.
local hub, id, user, node, epoch = ARGV[1], ARGV[2], ARGV[4] == '1' and ARGV[3] or nil, ARGV[5], ARGV[6]
if not lives(node, epoch) then return { 'FENCED' } end
local owner = redis.call('HGET', connection_key(hub, id), 'o')
if owner ~= epoch .. ' ' .. node then
  if owner then
    local holder_epoch, holder = read_owner(owner)
    if lives(holder, holder_epoch) then return { 'CLAIMED', holder } end
    end_connection(hub, id)
  end
  local claimed_by = redis.call('GET', claim_key(hub, id))
  if claimed_by then return { 'CLAIMED', claimed_by } end
  put_connection(hub, id, user, epoch, node, now + tonumber(ARGV[7]))
end
local opened = user and groups_of_user(hub, user) or {}
table.insert(opened, 1, 'OK')
return opened
