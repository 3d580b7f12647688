-- hub, after which user (with a letter before it) or nothing, limit. Returns after which the next page begins, or nothing,
-- then users.
local hub, limit = ARGV[1], tonumber(ARGV[3])
local from = ARGV[2] == '' and '-' or '(' .. string.sub(ARGV[2], 2)
local users = redis.call('ZRANGEBYLEX', online_key(hub), from, '+', 'LIMIT', 0, limit)
local page, nodes = { 'OK', #users == limit and 'u' .. users[limit] or '' }, living()
for _, user in ipairs(users) do
  for _, epoch in ipairs(redis.call('HKEYS', on_nodes_key(hub, user))) do
    if nodes[epoch] then
      page[#page + 1] = user
      break
    end
  end
end
return page
