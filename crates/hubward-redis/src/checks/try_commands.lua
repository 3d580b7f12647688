-- Tries each command that the scripts of store/lua call, on a key of its own that is gone at the end, and on a channel that
-- nobody subscribes to. Returns those that were refused, each followed by the error.
local key = KEYS[1] .. 'check'
local refused = {}
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then
    refused[#refused + 1] = (...)
    refused[#refused + 1] = reply.err
  end
end

try('TIME')
try('HSET', key, 'field', '0')
try('HINCRBY', key, 'field', 1)
try('HGET', key, 'field')
try('HMGET', key, 'field')
try('HGETALL', key)
try('HKEYS', key)
try('HEXISTS', key, 'field')
try('HDEL', key, 'field')
try('SADD', key, 'member')
try('SRANDMEMBER', key)
try('SREM', key, 'member')
try('ZADD', key, 0, 'member')
try('ZCARD', key)
try('ZCOUNT', key, '-inf', '+inf')
try('ZRANGE', key, 0, 0)
try('ZRANGEBYLEX', key, '-', '+', 'LIMIT', 0, 1)
try('ZRANGEBYSCORE', key, '-inf', '+inf', 'LIMIT', 0, 1)
try('ZREM', key, 'member')
try('SET', key, '', 'PX', 1000)
try('GET', key)
try('PTTL', key)
try('EXISTS', key)
try('DEL', key)
try('@PUBLISH@', key, '')
return refused
