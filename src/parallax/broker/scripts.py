"""The Lua scripts that keep the invariant, as text: a wheel cannot lose them, and helpers are
shared.

Rules that all of them follow:

* **Ownership first.** A script that moves an entry asks XPENDING for that id and consumer before it
  changes anything, because XACK itself does not care who calls it.
* **XACK is the first write.** A server at ``maxmemory`` refuses an XADD only while a script has
  written nothing yet. So a full broker refuses new requests (a plain XADD) but still lets accepted
  ones move on and finish, which is what frees its memory.
* **A missing stream or group is not an error**: after a FLUSHALL nobody owns anything.
* Keys are passed in ``KEYS`` where the caller can know them. Where only the script learns whose
  entry it holds, it gets the key's prefix as an argument; all keys share one hash tag, so a cluster
  agrees.

Only commands of Redis 7.0 are used.
"""

from parallax.broker import letter_lua, letters, lua

PAGE = 100
"""Entries that ``Release`` handles in one call."""

HAND_OFF = lua.Script(
    lua.OWNS
    + """
-- KEYS source target pre cancelled; ARGV group consumer id record field value...
local id, record = ARGV[3], ARGV[4]
if not owns(KEYS[1], ARGV[1], ARGV[2], id) then return 'not owner' end
redis.call('XACK', KEYS[1], ARGV[1], id)
if redis.call('EXISTS', KEYS[4]) == 1 then
  remove(KEYS[1], id, KEYS[3], record)
  return 'cancelled'
end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))
-- An entry of pre is the request's record and stays until the answer is out.
if KEYS[1] ~= KEYS[3] then redis.call('XDEL', KEYS[1], id) end
return 'done'
"""
)

FINISH = lua.Script(
    lua.OWNS
    + lua.DELIVER
    + """
-- KEYS source pre cancelled mailbox replies; ARGV group consumer id record field value...
local id = ARGV[3]
if not owns(KEYS[1], ARGV[1], ARGV[2], id) then return 'not owner' end
redis.call('XACK', KEYS[1], ARGV[1], id)
remove(KEYS[1], id, KEYS[2], ARGV[4])
if redis.call('EXISTS', KEYS[3]) == 1 then return 'cancelled' end
deliver(KEYS[4], KEYS[5], unpack(ARGV, 5))
return 'done'
"""
)

RECOMPUTE = lua.Script(
    lua.OWNS
    + lua.NAMED
    + lua.REQUEUE
    + """
-- KEYS source pre cancelled moved; ARGV group consumer id record losses
local id, record, losses = ARGV[3], ARGV[4], tonumber(ARGV[5])
if not owns(KEYS[1], ARGV[1], ARGV[2], id) then return 'not owner' end
if redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('XACK', KEYS[1], ARGV[1], id)
  remove(KEYS[1], id, KEYS[2], record)
  return 'cancelled'
end
if record == '' then return 'record lost' end
local found = redis.call('XRANGE', KEYS[2], record, record)
if #found == 0 then return 'record lost' end
local fields = found[1][2]
redis.call('XACK', KEYS[1], ARGV[1], id)
requeue(KEYS[2], fields, math.max(tonumber(named(fields).n or '0') or 0, losses) + 1, KEYS[4])
remove(KEYS[1], id, KEYS[2], record)
return 'done'
"""
)

BURY = lua.Script(
    lua.OWNS
    + lua.DELIVER
    + letter_lua.INTER
    + """
-- KEYS source pre cancelled mailbox replies dead pictures
-- ARGV group consumer id record cause losses trace field value... (of the reply)
local id, pre = ARGV[3], KEYS[2]
if not owns(KEYS[1], ARGV[1], ARGV[2], id) then return 'not owner' end
local found = redis.call('XRANGE', KEYS[1], id, id)
local fields = {}
if #found == 1 then fields = found[1][2] end
local record = KEYS[1] == pre and named(fields) or record_of(pre, ARGV[4])
redis.call('XACK', KEYS[1], ARGV[1], id)
local head = {'stage', ARGV[1], 'stream', KEYS[1], 'consumer', ARGV[2], 'cause', ARGV[5],
              'losses', ARGV[6], 'trace', ARGV[7]}
local letter = buried(KEYS[6], KEYS[7], head, fields, record)
remove(KEYS[1], id, pre, ARGV[4])
if #ARGV > 7 and redis.call('EXISTS', KEYS[3]) == 0 then
  deliver(KEYS[4], KEYS[5], 'l', letter, unpack(ARGV, 8))
end
return 'done'
"""
)

RELEASE = lua.Script(
    lua.OWNS
    + lua.DELIVER
    + letter_lua.INTER
    + lua.REQUEUE
    + f"""
-- KEYS stream pre dead pictures
-- ARGV group consumer limit cause message, prefixes of cancelled mailbox replies moved, 'all' or
-- 'some', guilty ids...
local stream, pre, dead = KEYS[1], KEYS[2], KEYS[3]
local group, consumer, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local guilty = {{}}
for at = 11, #ARGV do guilty[ARGV[at]] = true end
local requeued, given_up, vanished = 0, 0, 0

local function give_up(fields, entry, record, losses)
  local head = {{'stage', group, 'stream', stream, 'consumer', consumer, 'cause', ARGV[4],
                'losses', string.format('%d', losses), 'trace', ''}}
  local source = stream == pre and entry or record_of(pre, record)
  local letter = buried(dead, KEYS[4], head, fields, source)
  if entry.q and entry.i and entry.a then
    deliver(ARGV[7] .. entry.a, ARGV[8] .. entry.a,
            'l', letter, 'q', entry.q, 'i', entry.i, 'c', 'poisoned', 'm', ARGV[5])
  end
end

local page = redis.pcall('XPENDING', stream, group, '-', '+', {PAGE}, consumer)
if page.err then return {{0, 0, 0}} end
for _, row in ipairs(page) do
  local id = row[1]
  local found = redis.call('XRANGE', stream, id, id)
  redis.call('XACK', stream, group, id)
  if #found == 0 then
    vanished = vanished + 1
  else
    local fields = found[1][2]
    local entry = named(fields)
    local losses = tonumber(entry.n or '0') or 0
    local is_record = stream == pre
    local record = is_record and id or entry.r or ''
    local ms, seq = string.match(record, '^(%d+)%-(%d+)$')
    if not ms or #ms > 19 or #seq > 19 then record = '' end
    if ARGV[10] == 'all' or guilty[id] then losses = losses + 1 end
    if entry.q and redis.call('EXISTS', ARGV[6] .. entry.q) == 1 then
      remove(stream, id, pre, record)
      vanished = vanished + 1
    elseif losses >= limit or not (entry.q and entry.v) or #fields > {2 * letters.MOST_FIELDS} then
      give_up(fields, entry, record, losses)
      remove(stream, id, pre, record)
      given_up = given_up + 1
    else
      requeue(stream, fields, losses, is_record and ARGV[9] .. id)
      redis.call('XDEL', stream, id)
      requeued = requeued + 1
    end
  end
end
return {{requeued, given_up, vanished}}
"""
)

RENEW = lua.Script(
    """
-- KEYS lease stream...; ARGV group consumer ttl
-- PEXPIRE before SET: a full server refuses the SET, and a lease that exists must not die of that.
if redis.call('PEXPIRE', KEYS[1], ARGV[3]) == 0 then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[3])
end
for at = 2, #KEYS do
  local from = '-'
  repeat
    local page = redis.pcall('XPENDING', KEYS[at], ARGV[1], from, '+', 128, ARGV[2])
    local count = page.err and 0 or #page
    if count > 0 then
      local ids = {}
      for row = 1, count do ids[row] = page[row][1] end
      from = '(' .. ids[count]
      ids[count + 1] = 'JUSTID'
      redis.call('XCLAIM', KEYS[at], ARGV[1], ARGV[2], 0, unpack(ids))
    end
  until count < 128
end
return 1
"""
)

CANCEL = lua.Script(
    lua.CURRENT
    + """
-- KEYS pre cancelled; ARGV record ttl group prefix-of-moved
local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local function after(left, right)
  local left_ms, left_seq = parts(left)
  local right_ms, right_seq = parts(right)
  return left_ms > right_ms or (left_ms == right_ms and left_seq > right_seq)
end
local record, delivered = current(ARGV[4], ARGV[1]), '0-0'
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if not groups.err then
  for _, info in ipairs(groups) do
    local about = {}
    for at = 1, #info, 2 do about[info[at]] = info[at + 1] end
    if about['name'] == ARGV[3] then delivered = about['last-delivered-id'] end
  end
end
if after(record, delivered) and redis.call('XDEL', KEYS[1], record) == 1 then return 'removed' end
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
return 'marked'
"""
)

LIVE = lua.Script(
    lua.CURRENT
    + """
-- KEYS pre; ARGV prefix-of-moved record...
local alive = {}
for at = 2, #ARGV do
  local record = current(ARGV[1], ARGV[at])
  alive[at - 1] = #redis.call('XRANGE', KEYS[1], record, record)
end
return alive
"""
)

FORGET = lua.Script(
    """
-- KEYS stream; ARGV group consumer
local page = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if page.err then return 1 end
if #page > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
"""
)

RETIRE = lua.Script(
    """
-- KEYS stream; ARGV group
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('XLEN', KEYS[1]) > 0 then return 0 end
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if not consumers.err then
  if #consumers > 0 or redis.call('XPENDING', KEYS[1], ARGV[1])[1] > 0 then return 0 end
end
return redis.call('DEL', KEYS[1])
"""
)

BEAT = lua.Script(
    """
-- KEYS mailbox replies; ARGV ttl
if redis.call('PEXPIRE', KEYS[1], ARGV[1]) == 0 then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
end
return redis.call('PEXPIRE', KEYS[2], ARGV[1])
"""
)

ACQUIRE = lua.Script(
    """
-- KEYS lock; ARGV token ttl
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if held then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
)

SURRENDER = lua.Script(
    """
-- KEYS lock; ARGV token
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
)

ALL = (
    HAND_OFF,
    FINISH,
    RECOMPUTE,
    BURY,
    RELEASE,
    RENEW,
    CANCEL,
    LIVE,
    FORGET,
    RETIRE,
    BEAT,
    ACQUIRE,
    SURRENDER,
)
