-- hub, user, after which connection (with a letter before it) or nothing, limit. Returns after which the next page begins,
-- or nothing, then connections.
local hub, limit = ARGV[1], tonumber(ARGV[4])
local from = ARGV[3] == '' and '-' or '(' .. string.sub(ARGV[3], 2)
local ids = redis.call('ZRANGEBYLEX', connections_key(hub, ARGV[2]), from, '+', 'LIMIT', 0, limit)
local page, nodes = { 'OK', #ids == limit and 'c' .. ids[limit] or '' }, living()
for _, id in ipairs(ids) do
  local owner = redis.call('HGET', connection_key(hub, id), 'o')
  if owner and nodes[read_owner(owner)] then page[#page + 1] = id end
end
return page
