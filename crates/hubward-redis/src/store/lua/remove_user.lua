-- hub, group, user. Returns the nodes that hold connections of the user.
remove_user_from(ARGV[1], ARGV[2], ARGV[3])
return { 'OK', unpack(nodes_of_user(ARGV[1], ARGV[3])) }
