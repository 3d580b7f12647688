-- hub, user.
return { 'OK', unpack(nodes_of_user(ARGV[1], ARGV[2])) }
