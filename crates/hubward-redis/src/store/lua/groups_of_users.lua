-- hub, users. Returns for each user how many groups, then each group with its remaining time to live in ms, or nothing.
local listed = { 'OK' }
for place = 2, #ARGV do
  local groups = groups_of_user(ARGV[1], ARGV[place])
  listed[#listed + 1] = #groups / 2
  for _, part in ipairs(groups) do listed[#listed + 1] = part end
end
return listed
