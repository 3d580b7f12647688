-- hub, connection, node and epoch of its owner, node and epoch of the new one. Returns how many groups are its own, then these,
-- then each group of its user with its remaining time to live in ms, or nothing.
local hub, id, node, epoch = ARGV[1], ARGV[2], ARGV[5], ARGV[6]
local from, to = ARGV[4] .. ' ' .. ARGV[3], epoch .. ' ' .. node
if not lives(node, epoch) then return { 'FENCED' } end
local key, owner, user, groups = connection_key(hub, id), nil, nil, {}
local fields = redis.call('HGETALL', key)
for i = 1, #fields, 2 do
  local kind = string.sub(fields[i], 1, 1)
  if kind == 'g' then groups[#groups + 1] = string.sub(fields[i], 2)
  elseif kind == 'o' then owner = fields[i + 1]
  elseif kind == 'u' then user = fields[i + 1] end
end
if owner == from and from ~= to then
  redis.call('HSET', key, 'o', to)
  redis.call('SREM', owned_key(ARGV[4]), within(hub) .. id)
  redis.call('SADD', owned_key(epoch), within(hub) .. id)
  if user then
    redis.call('HINCRBY', on_nodes_key(hub, user), epoch, 1)
    leave_node(hub, user, ARGV[4])
  end
elseif owner ~= to then
  return { 'NOT_OWNER' }
end
local taken = { 'OK', #groups }
for _, group in ipairs(groups) do taken[#taken + 1] = group end
for _, part in ipairs(user and groups_of_user(hub, user) or {}) do taken[#taken + 1] = part end
return taken
