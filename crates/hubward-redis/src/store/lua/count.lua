-- hub, group.
local expired = redis.call('ZCOUNT', expiring_key(ARGV[1], ARGV[2]), '-inf', now)
return { 'OK', redis.call('ZCARD', group_key(ARGV[1], ARGV[2])) - expired }
