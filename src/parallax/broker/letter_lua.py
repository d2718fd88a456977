"""The Lua that writes dead letters and reads them. ``broker.letters`` says what they hold.

The bounds hold whatever is buried: a model that fails on every picture costs a capped stream and a
hash whose oldest pictures make room for new ones.
"""

from parallax.broker import letters, lua

# The hash also has the size of all pictures, so that a burial need not look at each of them.
_PICTURES = """
local function forget(pictures, letter)
  local size = redis.call('HSTRLEN', pictures, letter)
  if redis.call('HDEL', pictures, letter) == 0 then return end
  if redis.call('HLEN', pictures) == 1 then redis.call('DEL', pictures)
  else redis.call('HINCRBY', pictures, 'bytes', -size) end
end
"""

_KEEP = (
    _PICTURES
    + f"""
local most
local function budget()
  if not most then
    local info = redis.pcall('INFO', 'memory')
    local memory = type(info) == 'string' and tonumber(string.match(info, 'maxmemory:(%d+)')) or 0
    most = memory == 0 and {letters.PICTURES_BYTES}
      or math.min({letters.PICTURES_BYTES}, math.floor(memory / 16))
  end
  return most
end
local function fits(picture)
  return #picture > 0 and #picture <= math.min({letters.PICTURE_BYTES}, budget())
end
-- Drops the oldest pictures that are too much, and whatever is no picture.
local function sweep(pictures)
  local ids, size, room = {{}}, 0, budget()
  for _, id in ipairs(redis.call('HKEYS', pictures)) do
    local ms, seq = string.match(id, '^(%d+)-(%d+)$')
    if ms then ids[#ids + 1] = {{tonumber(ms), tonumber(seq), id}}
    else redis.call('HDEL', pictures, id) end
  end
  table.sort(ids, function(left, right)
    return left[1] > right[1] or (left[1] == right[1] and left[2] > right[2])
  end)
  for at, id in ipairs(ids) do
    room = room - redis.call('HSTRLEN', pictures, id[3])
    if room < 0 or at > {letters.MOST_LETTERS} then redis.call('HDEL', pictures, id[3])
    else size = budget() - room end
  end
  redis.call('HSET', pictures, 'bytes', size)
end
local function keep(pictures, letter, picture)
  redis.call('HSET', pictures, letter, picture)
  local size = redis.pcall('HINCRBY', pictures, 'bytes', #picture)
  if type(size) ~= 'number' or size > budget()
    or redis.call('HLEN', pictures) > {letters.MOST_LETTERS} + 1 then sweep(pictures) end
end
"""
)

# inter writes a letter. head holds stage, stream, consumer, cause, losses and
# trace with their names; record the fields of the request's record by name, or nil. All names of
# ours come first and always, so that a stranger's fields of the same names mean nothing.
INTER = (
    lua.NAMED
    + _KEEP
    + f"""
local function record_of(pre, id)
  local found = id ~= '' and redis.call('XRANGE', pre, id, id) or {{}}
  return #found == 1 and named(found[1][2]) or nil
end
local function inter(dead, pictures, head, fields, record)
  local entry = named(fields)
  local ours = entry.q and entry.v
  local room, dropped, source, picture = {letters.LETTER_BYTES}, 0, '', ''
  if ours and record then
    source, picture = record.v or '', record.b or ''
    if #source > room then source, dropped = '', #source end
    if picture ~= '' and not fits(picture) then picture, dropped = '', dropped + #picture end
    room = room - #source
  end
  local kept = {{}}
  for at = 1, #fields, 2 do
    local name, value = fields[at], fields[at + 1]
    -- A picture lies apart; tensors say nothing to anybody.
    if not (ours and name == 'b') then
      if at > {2 * letters.MOST_FIELDS} or #name + #value > room then
        dropped = dropped + #value
      else
        room = room - #name - #value
        kept[#kept + 1] = name
        kept[#kept + 1] = value
      end
    end
  end
  local letter = {{'XADD', dead, 'MAXLEN', {letters.MOST_LETTERS}, '*'}}
  for _, part in ipairs(head) do letter[#letter + 1] = part end
  for _, part in ipairs({{'record', source, 'dropped', string.format('%d', dropped)}}) do
    letter[#letter + 1] = part
  end
  for _, part in ipairs(kept) do letter[#letter + 1] = part end
  if redis.call('XLEN', dead) >= {letters.MOST_LETTERS} then
    forget(pictures, redis.call('XRANGE', dead, '-', '+', 'COUNT', 1)[1][1])
  end
  local id = redis.call(unpack(letter))
  if picture ~= '' then keep(pictures, id, picture) end
  return id
end
-- Returns the letter's id, or nothing if none can be written: whatever a stranger has put under our
-- keys, a client gets its answer.
local function buried(...)
  local ok, id = pcall(inter, ...)
  return ok and id or ''
end
"""
)

ATTACH = lua.Script(
    _KEEP
    + """
-- KEYS dead pictures; ARGV letter picture
if not fits(ARGV[2]) or redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return 0 end
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 0 end
keep(KEYS[2], ARGV[1], ARGV[2])
return redis.call('HEXISTS', KEYS[2], ARGV[1])
"""
)

LETTERS = lua.Script(
    """
-- KEYS dead pictures; ARGV first last count
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])
for _, letter in ipairs(found) do
  letter[3] = redis.call('HSTRLEN', KEYS[2], letter[1])
end
return found
"""
)

DISCARD = lua.Script(
    _PICTURES
    + """
-- KEYS dead pictures; ARGV letter...
local count = 0
for _, letter in ipairs(ARGV) do
  forget(KEYS[2], letter)
  count = count + redis.call('XDEL', KEYS[1], letter)
end
return count
"""
)

ALL = (ATTACH, LETTERS, DISCARD)
