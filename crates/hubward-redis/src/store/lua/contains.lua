-- hub, group, member.
local hub, group, member = ARGV[1], ARGV[2], ARGV[3]
local name = string.sub(member, 2)
if string.sub(member, 1, 1) == 'u' then
  return { 'OK', is_current(redis.call('HGET', user_key(hub, name), 'g' .. group)) and 1 or 0 }
end
return { 'OK', redis.call('HEXISTS', connection_key(hub, name), 'g' .. group) }
