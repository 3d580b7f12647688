-- hub, connection, user, whether it has one, node, epoch, claim in ms. Returns the sealed session, then each group of the user with
-- its remaining time to live in ms, or nothing; or nothing at all.
local hub, id, user, node, epoch = ARGV[1], ARGV[2], ARGV[4] == '1' and ARGV[3] or nil, ARGV[5], ARGV[6]
if not lives(node, epoch) then return { 'FENCED' } end
local key, own = connection_key(hub, id), epoch .. ' ' .. node
local record = redis.call('HMGET', key, 'o', 'c')
local holder_epoch, holder = read_owner(record[1] or '')
local holds = record[1] == own
if not holds and lives(holder, holder_epoch) then return { 'OK' } end
local taken_by, sealed = split(redis.call('GET', parked_key(hub, id)) or nil)
-- Whoever holds the connection takes it again; anybody else, where nobody has taken it.
if not taken_by or taken_by ~= (holds and own or '') then return { 'OK' } end
if not holds then
  local claimed_until = math.max(now + tonumber(ARGV[7]), tonumber(record[2] or '0') or 0)
  if redis.call('EXISTS', claim_key(hub, id)) == 1 then
    claimed_until = math.max(claimed_until, now + redis.call('PTTL', claim_key(hub, id)))
    redis.call('DEL', claim_key(hub, id))
  end
  remove_connection(hub, id)
  put_connection(hub, id, user, epoch, node, claimed_until)
  local left = math.max(1, redis.call('PTTL', parked_key(hub, id)))
  redis.call('SET', parked_key(hub, id), within(own) .. sealed, 'PX', number(left))
end
local taken = user and groups_of_user(hub, user) or {}
table.insert(taken, 1, sealed)
table.insert(taken, 1, 'OK')
return taken
