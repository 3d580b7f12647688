-- hub, group, user, time to live in ms, or nothing. Returns the nodes that hold connections of the user.
local hub, group, user, ttl = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if is_banned(hub, group, user) then return { 'BANNED' } end
-- More than the one that may be added, so that those that have expired become fewer.
remove_expired(16)
if ttl and ttl <= 0 then
  remove_user_from(hub, group, user)
else
  redis.call('HSET', user_key(hub, user), 'g' .. group, ttl and number(now + ttl) or '')
  redis.call('ZADD', group_key(hub, group), 0, 'u' .. user)
  local entry = within(hub) .. within(group) .. user
  if ttl then
    redis.call('ZADD', expiring_key(hub, group), number(now + ttl), user)
    redis.call('ZADD', K .. 'expiring', number(now + ttl), entry)
  elseif redis.call('ZREM', expiring_key(hub, group), user) == 1 then
    redis.call('ZREM', K .. 'expiring', entry)
  end
end
return { 'OK', unpack(nodes_of_user(hub, user)) }
