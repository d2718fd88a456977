"""Pieces of Lua that several scripts are made of."""

import hashlib
from dataclasses import dataclass, field

MOVED_TTL_MS = 600_000
"""How long a requeued record can be found under the id that its api process knows."""


@dataclass(frozen=True, slots=True)
class Script:
    """Lua source and the digest under which the server caches it."""

    source: str
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "digest", sha.encode())


OWNS = """
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
DELIVER = """
local function deliver(mailbox, replies, ...)
  local left = redis.call('PTTL', mailbox)
  if left == -2 then return end
  redis.call('XADD', replies, '*', ...)
  if redis.call('PTTL', replies) < 0 then
    redis.call('PEXPIRE', replies, math.max(left, 1000))
  end
end
"""

NAMED = """
local function named(fields)
  local map = {}
  for at = 1, #fields, 2 do map[fields[at]] = fields[at + 1] end
  return map
end
"""

# A requeued record has a new id, but its api process knows the old one: leave a note, or after a
# reconnect the api would take the request for lost and submit it a second time.
REQUEUE = f"""
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

CURRENT = """
local function current(prefix, record)
  local at = redis.call('GET', prefix .. record)
  while at do
    record = at
    at = redis.call('GET', prefix .. record)
  end
  return record
end
"""
