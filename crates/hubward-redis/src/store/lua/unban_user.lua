-- hub, group, user.
redis.call('HDEL', user_key(ARGV[1], ARGV[3]), 'b' .. ARGV[2])
return { 'OK' }
