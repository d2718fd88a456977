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

import hashlib
from dataclasses import dataclass, field

DEAD_LETTERS = 256
"""About how many dead letters are kept; the oldest go first."""
DEAD_BULK = 512 << 10
"""A dead letter keeps its bulk up to this many bytes: all together at most an eighth of the memory
that the embedded broker has by default."""
MOVED_TTL_MS = 600_000
"""How long a requeued record can be found under the id that its api process knows."""
PAGE = 100
"""Entries that ``Release`` handles in one call."""


@dataclass(frozen=True, slots=True)
class Script:
    """Lua source and the digest under which the server caches it."""

    source: str
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "digest", sha.encode())


_OWNS = """
local function owns(stream, group, consumer, id)
  local page = redis.pcall('XPENDING', stream, group, id, id, 1, consumer)
  return page.err == nil and #page == 1
end
local function remove(stream, id, pre, record)
  redis.call('XDEL', stream, id)
  if record ~= '' and not (stream == pre and id == record) then
    redis.call('XDEL', pre, record)
  end
end
"""

# The reply stream is born with the TTL that its mailbox has left, and Beat renews both: no moment
# exists in which a crash could leave it behind for ever.
_DELIVER = """
local function deliver(mailbox, replies, ...)
  local left = redis.call('PTTL', mailbox)
  if left == -2 then return end
  redis.call('XADD', replies, '*', ...)
  if redis.call('PTTL', replies) < 0 then
    redis.call('PEXPIRE', replies, math.max(left, 1000))
  end
end
"""

# A stranger's entry may have more fields than unpack() can push, so a dead letter keeps the first
# 64.
_INTER = f"""
local function named(fields)
  local map = {{}}
  for at = 1, #fields, 2 do map[fields[at]] = fields[at + 1] end
  return map
end
local function inter(dead, stream, group, consumer, cause, losses, fields)
  local letter = {{'stage', group, 'stream', stream, 'consumer', consumer, 'cause', cause,
                  'losses', string.format('%d', losses)}}
  for at = 1, math.min(#fields, 128), 2 do
    local name, value = fields[at], fields[at + 1]
    if name == 'b' and #value > {DEAD_BULK} then
      name, value = 'dropped', tostring(#value)
    end
    letter[#letter + 1] = name
    letter[#letter + 1] = value
  end
  redis.call('XADD', dead, 'MAXLEN', '~', {DEAD_LETTERS}, '*', unpack(letter))
end
"""

# A requeued record has a new id, but its api process knows the old one: leave a note, or after a
# reconnect the api would take the request for lost and submit it a second time.
_REQUEUE = f"""
local function requeue(stream, fields, losses, moved)
  local copy = {{}}
  for at = 1, #fields, 2 do
    if fields[at] ~= 'n' then
      copy[#copy + 1] = fields[at]
      copy[#copy + 1] = fields[at + 1]
    end
  end
  copy[#copy + 1] = 'n'
  copy[#copy + 1] = string.format('%d', losses)
  local id = redis.call('XADD', stream, '*', unpack(copy))
  if moved then redis.call('SET', moved, id, 'PX', {MOVED_TTL_MS}) end
end
"""

_CURRENT = """
local function current(prefix, record)
  local at = redis.call('GET', prefix .. record)
  while at do
    record = at
    at = redis.call('GET', prefix .. record)
  end
  return record
end
"""

HAND_OFF = Script(
    _OWNS
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

FINISH = Script(
    _OWNS
    + _DELIVER
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

RECOMPUTE = Script(
    _OWNS
    + _INTER
    + _REQUEUE
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

BURY = Script(
    _OWNS
    + _DELIVER
    + _INTER
    + """
-- KEYS source pre cancelled mailbox replies dead
-- ARGV group consumer id record cause losses field value... (of the reply)
local id = ARGV[3]
if not owns(KEYS[1], ARGV[1], ARGV[2], id) then return 'not owner' end
local found = redis.call('XRANGE', KEYS[1], id, id)
local fields = {}
if #found == 1 then fields = found[1][2] end
redis.call('XACK', KEYS[1], ARGV[1], id)
inter(KEYS[6], KEYS[1], ARGV[1], ARGV[2], ARGV[5], tonumber(ARGV[6]), fields)
remove(KEYS[1], id, KEYS[2], ARGV[4])
if #ARGV > 6 and redis.call('EXISTS', KEYS[3]) == 0 then
  deliver(KEYS[4], KEYS[5], unpack(ARGV, 7))
end
return 'done'
"""
)

RELEASE = Script(
    _OWNS
    + _DELIVER
    + _INTER
    + _REQUEUE
    + f"""
-- KEYS stream pre dead
-- ARGV group consumer limit cause message, prefixes of cancelled mailbox replies moved, 'all' or
-- 'some', guilty ids...
local stream, pre, dead = KEYS[1], KEYS[2], KEYS[3]
local group, consumer, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local guilty = {{}}
for at = 11, #ARGV do guilty[ARGV[at]] = true end
local requeued, buried, vanished = 0, 0, 0

local function give_up(id, fields, entry, losses)
  inter(dead, stream, group, consumer, ARGV[4], losses, fields)
  if entry.q and entry.i and entry.a then
    deliver(ARGV[7] .. entry.a, ARGV[8] .. entry.a,
            'q', entry.q, 'i', entry.i, 'c', 'poisoned', 'm', ARGV[5])
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
    if not string.find(record, '^%d+%-%d+$') then record = '' end
    if ARGV[10] == 'all' or guilty[id] then losses = losses + 1 end
    if entry.q and redis.call('EXISTS', ARGV[6] .. entry.q) == 1 then
      remove(stream, id, pre, record)
      vanished = vanished + 1
    elseif losses >= limit or not (entry.q and entry.v) or #fields > 128 then
      give_up(id, fields, entry, losses)
      remove(stream, id, pre, record)
      buried = buried + 1
    else
      requeue(stream, fields, losses, is_record and ARGV[9] .. id)
      redis.call('XDEL', stream, id)
      requeued = requeued + 1
    end
  end
end
return {{requeued, buried, vanished}}
"""
)

RENEW = Script(
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

CANCEL = Script(
    _CURRENT
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

LIVE = Script(
    _CURRENT
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

FORGET = Script(
    """
-- KEYS stream; ARGV group consumer
local page = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if page.err then return 1 end
if #page > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
"""
)

RETIRE = Script(
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

BEAT = Script(
    """
-- KEYS mailbox replies; ARGV ttl
if redis.call('PEXPIRE', KEYS[1], ARGV[1]) == 0 then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
end
return redis.call('PEXPIRE', KEYS[2], ARGV[1])
"""
)

ACQUIRE = Script(
    """
-- KEYS lock; ARGV token ttl
local held = redis.call('GET', KEYS[1])
if held == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if held then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
)

SURRENDER = Script(
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
