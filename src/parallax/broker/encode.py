"""Operations to commands: one small function for each kind, found by table. No I/O."""

from collections.abc import Callable, Sequence
from typing import Any

from parallax.broker import base, frames, housekeeping, letter_lua, letters, lua, scripts
from parallax.broker.keys import Keys
from parallax.contract.topology import Stage

Argument = bytes | str | int
Command = tuple[Argument, ...]

_SOURCES = {script.digest: script.source for script in (*scripts.ALL, *letter_lua.ALL)}


def commands(op: base.Op[Any], keys: Keys) -> Sequence[Command]:
    """Return the commands that carry the operation out: one, but for surveys and group creation."""
    return _ENCODERS[type(op)](op, keys)


def with_source(command: Command) -> Command:
    """Turn an EVALSHA into the EVAL that also teaches the server the script; others stay."""
    if command[0] != "EVALSHA" or not isinstance(command[1], bytes):
        return command
    return ("EVAL", _SOURCES[command[1]], *command[2:])


def group_creation(stream: str, group: Stage) -> Command:
    """Make a stream and its group, reading from the very beginning: ``$`` would skip entries."""
    return ("XGROUP", "CREATE", stream, group.value, "0", "MKSTREAM")


def _script(script: lua.Script, names: Sequence[str], *arguments: Argument) -> list[Command]:
    return [("EVALSHA", script.digest, len(names), *names, *arguments)]


def _submit(op: base.Submit, keys: Keys) -> list[Command]:
    return [("XADD", keys.pre, "*", *frames.submitted(op))]


def _read(op: base.Read, keys: Keys) -> list[Command]:
    wait: Command = ("BLOCK", op.block_ms) if op.block_ms > 0 else ()
    who = (op.holder.group.value, op.holder.consumer)
    new = (">",) * len(op.streams)
    return [
        ("XREADGROUP", "GROUP", *who, "COUNT", op.count, *wait, "STREAMS", *op.streams, *new),
    ]


def _claim_to(entry: base.Entry, holder: base.Holder) -> Command:
    return (holder.group.value, holder.consumer, entry.id, entry.record)


def _hand_off(op: base.HandOff, keys: Keys) -> list[Command]:
    entry = op.entry
    names = (entry.stream, op.target, keys.pre, keys.cancelled(entry.address.request))
    owner = _claim_to(entry, op.holder)
    return _script(scripts.HAND_OFF, names, *owner, *frames.handed_off(op))


def _finish(op: base.Finish, keys: Keys) -> list[Command]:
    entry, to = op.entry, op.entry.address
    names = (
        entry.stream,
        keys.pre,
        keys.cancelled(to.request),
        keys.mailbox(to.api),
        keys.replies(to.api),
    )
    reply = frames.answered(to, op.reply, op.bulk)
    return _script(scripts.FINISH, names, *_claim_to(entry, op.holder), *reply)


def _recompute(op: base.Recompute, keys: Keys) -> list[Command]:
    entry = op.entry
    request = entry.address.request
    names = (entry.stream, keys.pre, keys.cancelled(request), keys.moved(entry.record))
    return _script(scripts.RECOMPUTE, names, *_claim_to(entry, op.holder), entry.losses)


def _bury(op: base.Bury, keys: Keys) -> list[Command]:
    entry, to = op.entry, op.entry.address
    names = (
        entry.stream,
        keys.pre,
        keys.cancelled(to.request),
        keys.mailbox(to.api),
        keys.replies(to.api),
        keys.dead,
        keys.dead_pictures,
    )
    # A stranger's entry names nobody who could be answered.
    reply = frames.answered(to, op.reply, b"") if to.request and op.reply else ()
    owner = _claim_to(entry, op.holder)
    return _script(scripts.BURY, names, *owner, op.cause, entry.losses, op.trace, *reply)


def _release(op: base.Release, keys: Keys) -> list[Command]:
    guilty: Command = ("all",) if op.guilty is None else ("some", *sorted(op.guilty))
    return _script(
        scripts.RELEASE,
        (op.stream, keys.pre, keys.dead, keys.dead_pictures),
        op.holder.group.value,
        op.holder.consumer,
        op.limit,
        op.cause,
        op.told or frames.poisoned_message(op.limit),
        keys.cancelled(""),
        keys.mailbox(""),
        keys.replies(""),
        keys.moved(""),
        *guilty,
    )


def _renew(op: base.Renew, keys: Keys) -> list[Command]:
    names = (keys.lease(op.holder.consumer), *op.streams)
    return _script(scripts.RENEW, names, op.holder.group.value, op.holder.consumer, op.ttl_ms)


def _claim(op: base.Claim, keys: Keys) -> list[Command]:
    who = (op.holder.group.value, op.holder.consumer)
    page = (op.min_idle_ms, op.cursor, "COUNT", op.count)
    return [("XAUTOCLAIM", op.stream, *who, *page, "JUSTID")]


def _cancel(op: base.Cancel, keys: Keys) -> list[Command]:
    names = (keys.pre, keys.cancelled(op.request))
    how = (op.record, op.ttl_ms, Stage.PRE.value, keys.moved(""))
    return _script(scripts.CANCEL, names, *how)


def _abandoned(op: base.Abandoned, keys: Keys) -> list[Command]:
    if not op.requests:
        return []
    boxes = (keys.mailbox(api) for api in op.apis)
    return [("MGET", *(keys.cancelled(request) for request in op.requests), *boxes)]


def _live(op: base.Live, keys: Keys) -> list[Command]:
    return _script(scripts.LIVE, (keys.pre,), keys.moved(""), *op.records)


def _fetch(op: base.Fetch, keys: Keys) -> list[Command]:
    return [("XRANGE", keys.pre, op.record, op.record)] if op.record else []


def _beat(op: base.Beat, keys: Keys) -> list[Command]:
    return _script(scripts.BEAT, (keys.mailbox(op.api), keys.replies(op.api)), op.ttl_ms)


def _close_mailbox(op: base.CloseMailbox, keys: Keys) -> list[Command]:
    return [("DEL", keys.mailbox(op.api), keys.replies(op.api))]


def _read_replies(op: base.ReadReplies, keys: Keys) -> list[Command]:
    wait: Command = ("BLOCK", op.block_ms) if op.block_ms > 0 else ()
    return [("XREAD", "COUNT", op.count, *wait, "STREAMS", keys.replies(op.api), op.after)]


def _trim_replies(op: base.TrimReplies, keys: Keys) -> list[Command]:
    return [("XTRIM", keys.replies(op.api), "MINID", frames.following(op.upto))]


def _ensure_groups(op: housekeeping.EnsureGroups, keys: Keys) -> list[Command]:
    return [group_creation(stream, group) for stream, group in op.streams]


def _forget(op: housekeeping.Forget, keys: Keys) -> list[Command]:
    return _script(scripts.FORGET, (op.stream,), op.holder.group.value, op.holder.consumer)


def _retire(op: housekeeping.Retire, keys: Keys) -> list[Command]:
    return _script(scripts.RETIRE, (op.stream,), op.group.value)


def _acquire(op: housekeeping.Acquire, keys: Keys) -> list[Command]:
    return _script(scripts.ACQUIRE, (keys.lock(op.name),), op.token, op.ttl_ms)


def _surrender(op: housekeeping.Surrender, keys: Keys) -> list[Command]:
    return _script(scripts.SURRENDER, (keys.lock(op.name),), op.token)


def _survey(op: housekeeping.Survey, keys: Keys) -> list[Command]:
    measures: list[Command] = [("XLEN", keys.dead)]
    for stream, group in op.streams:
        measures += [("XLEN", stream), ("XPENDING", stream, group.value)]
    return measures


def _letters(op: letters.Letters, keys: Keys) -> list[Command]:
    return _script(letter_lua.LETTERS, _dead(keys), frames.following(op.after), "+", op.count)


def _find(op: letters.Find, keys: Keys) -> list[Command]:
    return _script(letter_lua.LETTERS, _dead(keys), op.letter, op.letter, 1)


def _picture(op: letters.Picture, keys: Keys) -> list[Command]:
    return [("HGET", keys.dead_pictures, op.letter)]


def _attach(op: letters.Attach, keys: Keys) -> list[Command]:
    return _script(letter_lua.ATTACH, _dead(keys), op.letter, op.picture)


def _discard(op: letters.Discard, keys: Keys) -> list[Command]:
    return _script(letter_lua.DISCARD, _dead(keys), *op.letters) if op.letters else []


def _dead(keys: Keys) -> tuple[str, str]:
    return keys.dead, keys.dead_pictures


_ENCODERS: dict[type[base.Op[Any]], Callable[[Any, Keys], Sequence[Command]]] = {
    base.Submit: _submit,
    base.Read: _read,
    base.HandOff: _hand_off,
    base.Finish: _finish,
    base.Recompute: _recompute,
    base.Bury: _bury,
    base.Release: _release,
    base.Renew: _renew,
    base.Claim: _claim,
    base.Cancel: _cancel,
    base.Abandoned: _abandoned,
    base.Live: _live,
    base.Fetch: _fetch,
    base.Beat: _beat,
    base.CloseMailbox: _close_mailbox,
    base.ReadReplies: _read_replies,
    base.TrimReplies: _trim_replies,
    housekeeping.EnsureGroups: _ensure_groups,
    housekeeping.Forget: _forget,
    housekeeping.Retire: _retire,
    housekeeping.Acquire: _acquire,
    housekeeping.Surrender: _surrender,
    housekeeping.Survey: _survey,
    letters.Letters: _letters,
    letters.Find: _find,
    letters.Picture: _picture,
    letters.Attach: _attach,
    letters.Discard: _discard,
}
