"""The operations that take, watch and tidy up entries, on the in-process store."""

import itertools

from parallax.broker import base, frames, housekeeping, memory_store
from parallax.broker.keys import Keys
from parallax.broker.memory_store import Store, identity, text_of


def read(op: base.Read, keys: Keys, store: Store) -> list[base.Entry]:
    """Deliver new entries, making groups where they are missing."""
    entries = []
    for name in op.streams:
        group = store.make_group(name, op.holder.group.value)
        group.consumers.add(op.holder.consumer)
        stream = store.stream(name)
        for at in stream.after(group.last, op.count) if stream else ():
            group.last = at
            group.pending[at] = memory_store.Pending(op.holder.consumer, store.now())
            entries.append(_entry(name, at, keys, store))
    return entries


def _entry(name: str, at: memory_store.Identity, keys: Keys, store: Store) -> base.Entry:
    stream = store.stream(name)
    flat = stream.entries[at] if stream else []
    return frames.entry(name, text_of(at).encode(), flat, is_record=name == keys.pre)


def renew(op: base.Renew, keys: Keys, store: Store) -> None:
    """Renew a lease and the idle time of what its consumer owns."""
    store.put(keys.lease(op.holder.consumer), "1", op.ttl_ms)
    for name in op.streams:
        stream = store.stream(name)
        group = store.group(name, op.holder.group.value)
        for at in group.of(op.holder.consumer) if group and stream else ():
            _touch(at, op.holder.consumer, stream, group, store)


def _touch(
    at: memory_store.Identity,
    consumer: str,
    stream: memory_store.Stream | None,
    group: memory_store.Group | None,
    store: Store,
) -> bool:
    """Make the consumer the owner as of now; an entry without a body is forgotten instead."""
    if stream is None or group is None:
        return False
    if at not in stream.entries:
        del group.pending[at]
        return False
    held = group.pending[at]
    held.consumer, held.since = consumer, store.now()
    group.consumers.add(consumer)
    return True


def claim(op: base.Claim, keys: Keys, store: Store) -> base.Claimed:
    """Take over one page of entries that nobody renewed."""
    stream = store.stream(op.stream)
    group = store.group(op.stream, op.holder.group.value)
    if stream is None or group is None:
        return base.Claimed(cursor="0-0", entries=0, vanished=0)
    group.consumers.add(op.holder.consumer)
    start = identity(op.cursor)
    waiting = sorted(at for at in group.pending if at >= start)
    window, taken, vanished = waiting[: op.count * 10], 0, 0
    for at in window:
        if taken == op.count:
            return base.Claimed(text_of(at), taken, vanished)
        if at not in stream.entries:
            del group.pending[at]
            vanished += 1
        elif (store.now() - group.pending[at].since) * 1000 >= op.min_idle_ms:
            taken += _touch(at, op.holder.consumer, stream, group, store)
    rest = waiting[len(window) :]
    return base.Claimed(text_of(rest[0]) if rest else "0-0", taken, vanished)


def _current(record: str, keys: Keys, store: Store) -> str:
    moved = store.get(keys.moved(record))
    return record if moved is None else _current(moved, keys, store)


def cancel(op: base.Cancel, keys: Keys, store: Store) -> base.Cancelled:
    """Remove a record that nobody took yet, or mark its request."""
    record = _current(op.record, keys, store)
    group = store.group(keys.pre, "pre")
    delivered = group.last if group else memory_store.ORIGIN
    if identity(record) > delivered and store.remove(keys.pre, record):
        return base.Cancelled.REMOVED
    store.put(keys.cancelled(op.request), "1", op.ttl_ms)
    return base.Cancelled.MARKED


def abandoned(op: base.Abandoned, keys: Keys, store: Store) -> list[bool]:
    """Look for the marks."""
    gone = [store.get(keys.cancelled(request)) is not None for request in op.requests]
    homeless = [store.get(keys.mailbox(api)) is None for api in op.apis]
    return [a or b for a, b in itertools.zip_longest(gone, homeless, fillvalue=False)]


def live(op: base.Live, keys: Keys, store: Store) -> list[bool]:
    """Look for the records, also where they moved to."""
    stream = store.stream(keys.pre)
    there = stream.entries if stream else {}
    return [identity(_current(record, keys, store)) in there for record in op.records]


def fetch(op: base.Fetch, keys: Keys, store: Store) -> base.Entry | None:
    """Look a record up."""
    stream = store.stream(keys.pre)
    if not op.record or stream is None or identity(op.record) not in stream.entries:
        return None
    return _entry(keys.pre, identity(op.record), keys, store)


def beat(op: base.Beat, keys: Keys, store: Store) -> None:
    """Keep a mailbox alive."""
    store.put(keys.mailbox(op.api), "1", op.ttl_ms)
    store.extend(keys.replies(op.api), op.ttl_ms)


def close_mailbox(op: base.CloseMailbox, keys: Keys, store: Store) -> None:
    """Drop a mailbox."""
    store.drop(keys.mailbox(op.api))
    store.drop(keys.replies(op.api))


def read_replies(op: base.ReadReplies, keys: Keys, store: Store) -> list[base.ReplyEntry]:
    """Return well-formed replies."""
    stream = store.stream(keys.replies(op.api))
    if stream is None:
        return []
    found = (
        frames.reply(text_of(at).encode(), stream.entries[at])
        for at in stream.after(identity(op.after), op.count)
    )
    return [reply for reply in found if reply is not None]


def trim_replies(op: base.TrimReplies, keys: Keys, store: Store) -> None:
    """Drop what was read."""
    stream = store.stream(keys.replies(op.api))
    for at in tuple(stream.entries) if stream else ():
        if stream and at <= identity(op.upto):
            del stream.entries[at]


def ensure_groups(op: housekeeping.EnsureGroups, keys: Keys, store: Store) -> None:
    """Make groups at the beginning of their streams."""
    for name, group in op.streams:
        store.make_group(name, group.value)


def forget(op: housekeeping.Forget, keys: Keys, store: Store) -> bool:
    """Drop a consumer that holds nothing."""
    group = store.group(op.stream, op.holder.group.value)
    if group is None:
        return True
    if group.of(op.holder.consumer):
        return False
    group.consumers.discard(op.holder.consumer)
    return True


def retire(op: housekeeping.Retire, keys: Keys, store: Store) -> bool:
    """Drop a stream that nobody uses."""
    stream = store.stream(op.stream)
    if stream is None or stream.entries:
        return False
    group = stream.groups.get(op.group.value)
    if group and (group.consumers or group.pending):
        return False
    return store.drop(op.stream)


def acquire(op: housekeeping.Acquire, keys: Keys, store: Store) -> bool:
    """Take or renew a lock."""
    name = keys.lock(op.name)
    if store.get(name) not in {None, op.token}:
        return False
    store.put(name, op.token, op.ttl_ms)
    return True


def surrender(op: housekeeping.Surrender, keys: Keys, store: Store) -> None:
    """Give a lock back."""
    if store.get(keys.lock(op.name)) == op.token:
        store.drop(keys.lock(op.name))


def survey(
    op: housekeeping.Survey, keys: Keys, store: Store
) -> dict[str, housekeeping.StreamStats]:
    """Count."""
    dead = store.stream(keys.dead)
    found = {
        keys.dead: housekeeping.StreamStats(length=len(dead.entries) if dead else 0, pending=0)
    }
    for name, stage in op.streams:
        stream, group = store.stream(name), store.group(name, stage.value)
        owners = [held.consumer for held in group.pending.values()] if group else []
        found[name] = housekeeping.StreamStats(
            length=len(stream.entries) if stream else 0,
            pending=len(owners),
            consumers={owner: owners.count(owner) for owner in sorted(set(owners))},
        )
    return found
