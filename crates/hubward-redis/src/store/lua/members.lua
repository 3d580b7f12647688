-- hub, group, after which member or nothing, limit. Returns after which member the next page begins, or nothing, then members.
local hub, group, limit = ARGV[1], ARGV[2], tonumber(ARGV[4])
local from = ARGV[3] == '' and '-' or '(' .. ARGV[3]
local members = redis.call('ZRANGEBYLEX', group_key(hub, group), from, '+', 'LIMIT', 0, limit)
local page = { 'OK', #members == limit and members[limit] or '' }
for _, member in ipairs(members) do
  local is_user = string.sub(member, 1, 1) == 'u'
  if not is_user or is_current(redis.call('HGET', user_key(hub, string.sub(member, 2)), 'g' .. group)) then
    page[#page + 1] = member
  end
end
return page
