-- hub, connection.
local groups = { 'OK' }
for _, field in ipairs(redis.call('HKEYS', connection_key(ARGV[1], ARGV[2]))) do
  if string.sub(field, 1, 1) == 'g' then groups[#groups + 1] = string.sub(field, 2) end
end
return groups
