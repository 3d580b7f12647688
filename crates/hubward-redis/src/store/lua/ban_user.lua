-- hub, group, user. Returns the nodes that hold connections of the user.
local hub, group, user = ARGV[1], ARGV[2], ARGV[3]
remove_user_from(hub, group, user)
redis.call('HSET', user_key(hub, user), 'b' .. group, '')
for _, id in ipairs(redis.call('ZRANGE', connections_key(hub, user), 0, -1)) do
  if redis.call('HDEL', connection_key(hub, id), 'g' .. group) == 1 then
    redis.call('ZREM', group_key(hub, group), 'c' .. id)
  end
end
return { 'OK', unpack(nodes_of_user(hub, user)) }
