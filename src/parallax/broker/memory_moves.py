"""The operations that move entries, on the in-process store: what the Lua scripts do, in Python.

``tests/broker/test_conformance.py`` holds both to the same behaviour.
"""

from parallax.broker import base, frames, lua, memory_letters, scripts
from parallax.broker.keys import Keys
from parallax.broker.memory_store import Identity, Store, Value, identity, text_of


def submit(op: base.Submit, keys: Keys, store: Store) -> str:
    """Append a record."""
    return store.add(keys.pre, frames.submitted(op))


def hand_off(op: base.HandOff, keys: Keys, store: Store) -> base.Outcome:
    """Move an owned entry to its next stage."""
    entry = op.entry
    if not _acknowledge_owned(entry, op.holder, store):
        return base.Outcome.NOT_OWNER
    if _is_cancelled(entry, keys, store):
        _remove(entry, keys, store)
        return base.Outcome.CANCELLED
    store.add(op.target, frames.handed_off(op))
    if entry.stream != keys.pre:
        store.remove(entry.stream, entry.id)
    return base.Outcome.DONE


def finish(op: base.Finish, keys: Keys, store: Store) -> base.Outcome:
    """Answer and remove an owned entry and its record."""
    if not _acknowledge_owned(op.entry, op.holder, store):
        return base.Outcome.NOT_OWNER
    _remove(op.entry, keys, store)
    if _is_cancelled(op.entry, keys, store):
        return base.Outcome.CANCELLED
    to = op.entry.address
    _deliver(to.api, frames.answered(to, op.reply, op.bulk), keys, store)
    return base.Outcome.DONE


def recompute(op: base.Recompute, keys: Keys, store: Store) -> base.Outcome:
    """Queue the record again in place of an owned entry."""
    entry = op.entry
    if not _owns(entry, op.holder, store):
        return base.Outcome.NOT_OWNER
    if _is_cancelled(entry, keys, store):
        _acknowledge_owned(entry, op.holder, store)
        _remove(entry, keys, store)
        return base.Outcome.CANCELLED
    fields = _body(store, keys.pre, identity(entry.record)) if entry.record else None
    if fields is None:
        return base.Outcome.RECORD_LOST
    _acknowledge_owned(entry, op.holder, store)
    losses = max(_losses(_named(fields)), entry.losses) + 1
    _requeue(keys.pre, fields, losses, keys.moved(entry.record), store)
    _remove(entry, keys, store)
    return base.Outcome.DONE


def bury(op: base.Bury, keys: Keys, store: Store) -> base.Outcome:
    """Move an owned entry to the dead letters."""
    entry, to = op.entry, op.entry.address
    fields = _body(store, entry.stream, identity(entry.id)) or []
    if not _acknowledge_owned(entry, op.holder, store):
        return base.Outcome.NOT_OWNER
    end = memory_letters.End(op.holder, op.cause, entry.losses, op.trace)
    letter = memory_letters.inter(entry, end, fields, keys, store)
    _remove(entry, keys, store)
    if to.request and op.reply and not _is_cancelled(entry, keys, store):
        reply = frames.answered(to, op.reply, b"")
        _deliver(to.api, (frames.LETTER, letter, *reply), keys, store)
    return base.Outcome.DONE


def release(op: base.Release, keys: Keys, store: Store) -> base.Released:
    """Give back one page of what a dead consumer holds."""
    group = store.group(op.stream, op.holder.group.value)
    page = group.of(op.holder.consumer)[: scripts.PAGE] if group else []
    fates = [_release_one(at, op, keys, store) for at in page]
    return base.Released(*(fates.count(fate) for fate in ("requeued", "buried", "vanished")))


def _release_one(at: Identity, op: base.Release, keys: Keys, store: Store) -> str:
    fields = _body(store, op.stream, at)
    group = store.group(op.stream, op.holder.group.value)
    if group is not None:
        del group.pending[at]
    if fields is None:
        return "vanished"
    entry = frames.entry(op.stream, text_of(at).encode(), fields, is_record=op.stream == keys.pre)
    losses = entry.losses + (op.guilty is None or entry.id in op.guilty)
    if entry.work and _is_cancelled(entry, keys, store):
        _remove(entry, keys, store)
        return "vanished"
    if losses >= op.limit or not entry.work:
        end = memory_letters.End(op.holder, op.cause, losses, "")
        letter = memory_letters.inter(entry, end, fields, keys, store)
        _answer_poisoned(entry.address, op, letter, keys, store)
        _remove(entry, keys, store)
        return "buried"
    note = keys.moved(entry.id) if op.stream == keys.pre else None
    _requeue(op.stream, fields, losses, note, store)
    store.remove(op.stream, entry.id)
    return "requeued"


def _answer_poisoned(
    to: base.Address, op: base.Release, letter: str, keys: Keys, store: Store
) -> None:
    if not to.request:
        return
    head: tuple[Value, ...] = (frames.REQUEST, to.request, frames.ITEM, to.item)
    head += (frames.LETTER, letter)
    code: tuple[Value, ...] = (frames.CODE, frames.POISONED_CODE)
    told = op.told or frames.poisoned_message(op.limit)
    _deliver(to.api, (*head, *code, frames.MESSAGE, told), keys, store)


def _owns(entry: base.Entry, holder: base.Holder, store: Store) -> bool:
    group = store.group(entry.stream, holder.group.value)
    return group is not None and group.owner(identity(entry.id)) == holder.consumer


def _acknowledge_owned(entry: base.Entry, holder: base.Holder, store: Store) -> bool:
    group = store.group(entry.stream, holder.group.value)
    if group is None or group.owner(identity(entry.id)) != holder.consumer:
        return False
    del group.pending[identity(entry.id)]
    return True


def _is_cancelled(entry: base.Entry, keys: Keys, store: Store) -> bool:
    return store.get(keys.cancelled(entry.address.request)) is not None


def _remove(entry: base.Entry, keys: Keys, store: Store) -> None:
    store.remove(entry.stream, entry.id)
    if entry.record:
        store.remove(keys.pre, entry.record)


def _deliver(api: str, fields: tuple[Value, ...], keys: Keys, store: Store) -> None:
    if store.get(keys.mailbox(api)) is None:
        return
    replies = keys.replies(api)
    left = store.left_ms(keys.mailbox(api))
    store.add(replies, fields)
    if store.left_ms(replies) is None:
        store.extend(replies, max(left or 0.0, 1000.0))


def _requeue(stream: str, fields: list[bytes], losses: int, note: str | None, store: Store) -> None:
    kept: list[Value] = []
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        if name != frames.LOSSES:
            kept += [name, value]
    new = store.add(stream, [*kept, frames.LOSSES, losses])
    if note:
        store.put(note, new, lua.MOVED_TTL_MS)


def _body(store: Store, stream: str, at: Identity) -> list[bytes] | None:
    found = store.stream(stream)
    return found.entries.get(at) if found else None


def _named(fields: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True))


def _losses(fields: dict[bytes, bytes]) -> int:
    return int(fields.get(frames.LOSSES, b"0"))
