-- node, epoch, then the connections as MessagePack: each hub, connection, whether it has a user, user, claim in ms, groups.
-- Returns the places of those that are lost, then 'banned', then places and groups of memberships that a ban has ended.
local node, epoch = ARGV[1], ARGV[2]
if not lives(node, epoch) then return { 'FENCED' } end
local lost, banned = { 'OK' }, {}
for place, held in ipairs(cmsgpack.unpack(ARGV[3])) do
  local hub, id, user, claimed_until = held[1], held[2], held[3] and held[4] or nil, now + held[5]
  local record = redis.call('HMGET', connection_key(hub, id), 'o', 'c')
  local is_lost = false
  if record[1] then
    local holder_epoch, holder = read_owner(record[1])
    local old_claim = tonumber(record[2] or '0') or 0
    is_lost = holder ~= node and (lives(holder, holder_epoch) or old_claim > now)
    claimed_until = math.max(claimed_until, old_claim)
  else
    local claimed_by = redis.call('GET', claim_key(hub, id))
    is_lost = claimed_by and claimed_by ~= node
    if claimed_by then claimed_until = math.max(claimed_until, now + redis.call('PTTL', claim_key(hub, id))) end
  end
  if is_lost then
    lost[#lost + 1] = tostring(place)
  else
    remove_connection(hub, id)
    redis.call('DEL', claim_key(hub, id))
    put_connection(hub, id, user, epoch, node, claimed_until)
    for _, group in ipairs(held[6]) do
      if user and is_banned(hub, group, user) then
        banned[#banned + 1] = tostring(place)
        banned[#banned + 1] = group
      else
        redis.call('HSET', connection_key(hub, id), 'g' .. group, '')
        redis.call('ZADD', group_key(hub, group), 0, 'c' .. id)
      end
    end
  end
end
lost[#lost + 1] = 'banned'
for _, entry in ipairs(banned) do lost[#lost + 1] = entry end
return lost
