"""What a delivered reply says, checked against whom it is addressed to."""

from parallax.broker import base
from parallax.contract import errors, messages, wire


def read(entry: base.ReplyEntry) -> messages.Reply:
    """Return the reply of an entry; of one that a script wrote, its code and message.

    Raises:
        MalformedEntryError: it cannot be read, or belongs to another request.
    """
    if not entry.reply:
        code = entry.code or errors.InternalError.code
        return messages.Reply(entry.request, entry.item, code, entry.message, messages.Timings())
    reply = wire.decode(messages.Reply, entry.reply)
    if (reply.request, reply.item) != (entry.request, entry.item):
        raise errors.MalformedEntryError("it is addressed to another request inside")
    return reply
