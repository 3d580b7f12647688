-- What all scripts begin with: the names of keys, and what several scripts do. docs/guide/several-nodes.md explains each key.
-- KEYS[1] is what every key begins with. It has the hash tag of all of them, so that a Cluster runs the script where they are.
local K = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- What cannot be read was written by somebody else: it is passed over, and removed where it would come up again and again.
-- A name within a name, with its length before it.
local function within(name) return #name .. ':' .. name end
local function split(text)
  local length, rest = string.match(text or '', '^(%d+):(.*)$')
  if not length then return nil end
  length = tonumber(length)
  return string.sub(rest, 1, length), string.sub(rest, length + 1)
end
local function connection_key(hub, id) return K .. 'connection:' .. within(hub) .. id end
local function claim_key(hub, id) return K .. 'claim:' .. within(hub) .. id end
local function parked_key(hub, id) return K .. 'parked:' .. within(hub) .. id end
local function group_key(hub, group) return K .. 'group:' .. within(hub) .. group end
local function expiring_key(hub, group) return K .. 'expiring:' .. within(hub) .. group end
local function user_key(hub, user) return K .. 'user:' .. within(hub) .. user end
local function on_nodes_key(hub, user) return K .. 'on-nodes:' .. within(hub) .. user end
local function connections_key(hub, user) return K .. 'connections:' .. within(hub) .. user end
local function online_key(hub) return K .. 'online:' .. hub end
local function owned_key(epoch) return K .. 'owned:' .. epoch end

-- Numbers over 2^53 do not occur; the default format would shorten those over 10^14.
local function number(value) return string.format('%.0f', value) end

-- A life is its epoch, a space, when its lease ends, a space, 'draining ' where it is about to leave, and how many connections
-- it has: last, where nodes that know nothing of drains look for it.
local function read_life(life)
  local epoch, lease_end = string.match(life, '^(%d+) (%d+)')
  return epoch or '0', tonumber(lease_end or '0')
end
local function is_draining(life) return string.match(life, '^%d+ %d+ draining ') ~= nil end
local function lives(node, epoch)
  local life = redis.call('HGET', K .. 'alive', node)
  if not life then return false end
  local current, lease_end = read_life(life)
  return current == epoch and lease_end >= now
end
-- An owner is an epoch, a space, and a node.
local function read_owner(owner)
  local epoch, node = string.match(owner, '^(%d+) (.*)$')
  return epoch or '0', node or ''
end

-- The nodes that live, by epoch.
local function living()
  local nodes, alive = {}, redis.call('HGETALL', K .. 'alive')
  for i = 1, #alive, 2 do
    local epoch, lease_end = read_life(alive[i + 1])
    if lease_end >= now then nodes[epoch] = alive[i] end
  end
  return nodes
end

local function nodes_of_user(hub, user)
  local epochs = redis.call('HKEYS', on_nodes_key(hub, user))
  if #epochs == 0 then return {} end
  local nodes, found = living(), {}
  for _, epoch in ipairs(epochs) do found[#found + 1] = nodes[epoch] end
  return found
end

local function publish(event, epoch, node, rest)
  redis.call('@PUBLISH@', K .. 'events', event .. ' ' .. epoch .. ' ' .. within(node) .. (rest or ''))
end

-- Ends a life: what it owned is to be swept, if it owned anything.
local function end_life(event, epoch, node)
  redis.call('HDEL', K .. 'alive', node)
  redis.call('HDEL', K .. 'nodes', node)
  if redis.call('EXISTS', owned_key(epoch)) == 1 then redis.call('HSET', K .. 'ended', epoch, '') end
  publish(event, epoch, node)
end
-- A lease that ends far later than one that begins now is of a clock that was ahead, such as that of a primary before a failover:
-- it begins anew. That needs to know how long leases are; those of nodes whose settings differ somewhat are left alone.
local function notice_deaths(lease)
  local alive = redis.call('HGETALL', K .. 'alive')
  for i = 1, #alive, 2 do
    local epoch, lease_end = read_life(alive[i + 1])
    if lease_end < now then
      end_life('died', epoch, alive[i])
    elseif lease and lease_end > now + 4 * lease then
      local load = string.match(alive[i + 1], '^%d+ %d+(.*)$')
      redis.call('HSET', K .. 'alive', alive[i], epoch .. ' ' .. number(now + lease) .. load)
    end
  end
end

-- Memberships of users: in the user's hash under 'g' and the group, with the time when it expires, or nothing.
local function is_current(expiry) return expiry and (expiry == '' or (tonumber(expiry) or 0) > now) end
local function remove_user_from(hub, group, user)
  if redis.call('HDEL', user_key(hub, user), 'g' .. group) == 0 then return end
  redis.call('ZREM', group_key(hub, group), 'u' .. user)
  if redis.call('ZREM', expiring_key(hub, group), user) == 1 then
    redis.call('ZREM', K .. 'expiring', within(hub) .. within(group) .. user)
  end
end
-- Removes memberships that have expired, some at a time. Of one whose user is missing, as where Redis has evicted it, what is
-- left goes as well: otherwise it would stay the first of those that have expired.
local function remove_expired(limit)
  local expired = redis.call('ZRANGEBYSCORE', K .. 'expiring', '-inf', now, 'LIMIT', 0, limit)
  for _, entry in ipairs(expired) do
    local hub, rest = split(entry)
    local group, user = split(rest)
    if group then remove_user_from(hub, group, user) end
    if redis.call('ZREM', K .. 'expiring', entry) == 1 and group then
      redis.call('ZREM', group_key(hub, group), 'u' .. user)
      redis.call('ZREM', expiring_key(hub, group), user)
    end
  end
end
local function groups_of_user(hub, user)
  local fields, groups = redis.call('HGETALL', user_key(hub, user)), {}
  for i = 1, #fields, 2 do
    local expiry = fields[i + 1]
    if string.sub(fields[i], 1, 1) == 'g' and is_current(expiry) then
      groups[#groups + 1] = string.sub(fields[i], 2)
      groups[#groups + 1] = expiry == '' and '' or number(expiry - now)
    end
  end
  return groups
end
local function is_banned(hub, group, user)
  return redis.call('HEXISTS', user_key(hub, user), 'b' .. group) == 1
end

-- Records a connection that has no record.
local function put_connection(hub, id, user, epoch, node, claimed_until)
  local key = connection_key(hub, id)
  redis.call('HSET', key, 'o', epoch .. ' ' .. node, 'c', number(claimed_until))
  redis.call('SADD', owned_key(epoch), within(hub) .. id)
  if not user then return end
  redis.call('HSET', key, 'u', user)
  if redis.call('HINCRBY', on_nodes_key(hub, user), epoch, 1) == 1 then
    redis.call('ZADD', online_key(hub), 0, user)
  end
  redis.call('ZADD', connections_key(hub, user), 0, id)
end

-- Counts one connection less of a user and an owner.
local function leave_node(hub, user, epoch)
  local on_nodes = on_nodes_key(hub, user)
  if redis.call('HINCRBY', on_nodes, epoch, -1) <= 0 then redis.call('HDEL', on_nodes, epoch) end
end

-- Removes all of a connection; returns whose it was, until when its id is claimed, and how many groups it was in.
local function remove_connection(hub, id)
  local key = connection_key(hub, id)
  local fields, owner, user, claimed_until = redis.call('HGETALL', key), nil, nil, 0
  for i = 1, #fields, 2 do
    local field, value = fields[i], fields[i + 1]
    local kind = string.sub(field, 1, 1)
    if kind == 'g' then redis.call('ZREM', group_key(hub, string.sub(field, 2)), 'c' .. id)
    elseif kind == 'o' then owner = value
    elseif kind == 'u' then user = value
    elseif kind == 'c' then claimed_until = tonumber(value) or 0 end
  end
  if not owner then return nil, 0, 0 end
  local epoch = read_owner(owner)
  redis.call('DEL', key)
  redis.call('SREM', owned_key(epoch), within(hub) .. id)
  if user then
    leave_node(hub, user, epoch)
    if redis.call('EXISTS', on_nodes_key(hub, user)) == 0 then redis.call('ZREM', online_key(hub), user) end
    redis.call('ZREM', connections_key(hub, user), id)
  end
  return owner, claimed_until, #fields / 2
end
-- Removes a connection that has ended. Its id stays claimed. Returns how much there was to remove.
local function end_connection(hub, id)
  local owner, claimed_until, removed = remove_connection(hub, id)
  if owner and claimed_until > now then
    local _, node = read_owner(owner)
    redis.call('SET', claim_key(hub, id), node, 'PX', number(claimed_until - now))
  end
  return removed
end
