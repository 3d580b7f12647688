-- hub, group, user. Returns the remaining time to live in ms or nothing, if the user is a member.
local expiry = redis.call('HGET', user_key(ARGV[1], ARGV[3]), 'g' .. ARGV[2])
if not is_current(expiry) then return { 'OK' } end
return { 'OK', expiry == '' and '' or number(expiry - now) }
