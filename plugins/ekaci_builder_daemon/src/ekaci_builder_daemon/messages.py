"""What the daemon tells while it works: log lines, phases, activities, errors. Sans-IO.

In the order of ``processStderrReturn`` in
https://github.com/NixOS/nix/blob/master/src/libstore/worker-protocol-connection.cc; an error as ``readError`` in
https://github.com/NixOS/nix/blob/master/src/libutil/serialise.cc reads it (its form since 1.26).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ekaci_builder_daemon.protocol import Field, Level, Told
from ekaci_builder_daemon.wire import TEXT_BYTES, Inbox, Reading, Unreadable
from ekaci_core.api import NixEvent, NixMessage, NixResult, NixStarted, NixStopped

_MOST_FIELDS: Final = 100
_MOST_TRACES: Final = 10_000
_ERROR_BYTES: Final = 64 * 1024  # newer daemons put the last lines of the log into it

Tell = Callable[[NixEvent], None]


def until_last(inbox: Inbox, tell: Tell) -> Reading[NixMessage | None]:
    """Read messages until the daemon has done what it was asked to; return its error if it could not.

    Raises:
        Unreadable: it says what no daemon says here.
    """
    while True:
        kind = yield from inbox.word()
        if kind == Told.RESULT:
            activity, number = (yield from inbox.word()), (yield from inbox.word())
            fields, cut = yield from _fields(inbox)
            tell(NixResult(activity, number, fields, cut))
        elif kind == Told.START_ACTIVITY:
            tell((yield from _started(inbox)))
        elif kind == Told.STOP_ACTIVITY:
            tell(NixStopped((yield from inbox.word())))
        elif kind == Told.NEXT:
            # A message has no level here; Nix's own client shows each as it comes.
            tell(NixMessage(Level.ERROR, (yield from inbox.text(_ERROR_BYTES)).rstrip("\n")))
        elif kind == Told.LAST:
            return None
        elif kind == Told.ERROR:
            return (yield from _error(inbox))
        else:
            raise Unreadable(f"it sent an unknown message, {kind:#x}")


def _started(inbox: Inbox) -> Reading[NixStarted]:
    activity = yield from inbox.word()
    yield from inbox.word()  # level
    kind = yield from inbox.word()
    yield from inbox.data(0)  # a sentence for people
    fields, _ = yield from _fields(inbox)
    yield from inbox.word()  # the activity that it is a part of
    return NixStarted(activity, kind, fields)


def _fields(inbox: Inbox) -> Reading[tuple[tuple[int | str, ...], bool]]:
    fields: list[int | str] = []
    any_cut, room = False, TEXT_BYTES
    for _ in range((yield from inbox.count(_MOST_FIELDS, "fields of an activity"))):
        kind = yield from inbox.word()
        if kind == Field.NUMBER:
            fields.append((yield from inbox.word()))
        elif kind == Field.TEXT:
            data, cut = yield from inbox.data(room)
            fields.append(data.decode(errors="replace"))
            any_cut, room = any_cut or cut, room - len(data)
        else:
            raise Unreadable(f"it sent a field of the unknown kind {kind:#x}")
    return tuple(fields), any_cut


def _error(inbox: Inbox) -> Reading[NixMessage]:
    kind = yield from inbox.text(_ERROR_BYTES)
    if kind != "Error":
        raise Unreadable(f"it sent an error of the unknown kind {kind[:40]!r}")
    yield from inbox.word()  # level: whatever it says, it has ended the work
    yield from inbox.data(0)  # a name that nobody reads any more
    message = yield from inbox.text(_ERROR_BYTES)
    yield from _no_position(inbox)
    for _ in range((yield from inbox.count(_MOST_TRACES, "traces of an error"))):
        yield from _no_position(inbox)
        yield from inbox.data(0)
    return NixMessage(Level.ERROR, message, is_error=True)


def _no_position(inbox: Inbox) -> Reading[None]:
    if (yield from inbox.word()):
        raise Unreadable("it sent an error with a position, which has no form")
