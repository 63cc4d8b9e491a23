"""Faults on demand: what GitHub does on a bad day, asked for by a test."""

from __future__ import annotations

import enum
import re
import socket
import struct
from collections.abc import Mapping
from typing import Any

import anyio
import attrs
from starlette.types import Send
from tests.standins.github.exchange import Answer


class Trouble(enum.Enum):
    """What goes wrong on the way."""

    STATUS = "an answer with another status"
    GARBAGE = "an answer that is no JSON, with status 200"
    TIMEOUT = "no answer"
    RESET = "the connection is reset before anything is done"
    LOST = "it is done, and the connection is reset before the answer"
    CUT = "it is done, and the answer ends in the middle"


@attrs.define
class Fault:
    """What goes wrong, for which requests and how often; ``times`` counts down, None is for ever."""

    trouble: Trouble
    answer: Answer = Answer({"message": "Server Error"}, 500)
    method: str = ".*"
    path: str = ".*"
    operation: str = ".*"
    times: int | None = None
    after: int = 0
    """So many requests that it would meet go well first."""
    met: int = 0

    def meets(self, method: str, path: str, operation: str) -> bool:
        """Whether it happens to a request; counts."""
        wanted = ((self.method, method), (self.path, path), (self.operation, operation))
        if self.times == 0 or not all(re.fullmatch(pattern, text) for pattern, text in wanted):
            return False
        if self.after:
            self.after -= 1
            return False
        self.met += 1
        if self.times is not None:
            self.times -= 1
        return True


def status(code: int, message: str = "", headers: Mapping[str, str] | None = None, **match: Any) -> Fault:
    """Answer with a status. ``match`` says which requests, as the fields of `Fault` do."""
    body = {"message": message or f"Status {code}", "documentation_url": "https://docs.github.com/rest"}
    return Fault(Trouble.STATUS, Answer(body, code, headers or {}), **match)


def expired(**match: Any) -> Fault:
    """Answer as to a token that is good no more."""
    return status(401, "Bad credentials", **match)


def abuse(seconds: int = 60, code: int = 403, **match: Any) -> Fault:
    """Answer as to one who asks too much at once."""
    message = "You have exceeded a secondary rate limit and have been temporarily blocked from content creation."
    return status(code, message, {"retry-after": str(seconds)}, **match)


async def wait_for_ever() -> None:
    """Do not answer; ends when the stand-in does."""
    await anyio.sleep_forever()


def reset(send: Send) -> None:
    """Reset the connection: the other side sees no orderly end.

    ASGI has no word for it; uvicorn's transport is reached through the object that its ``send`` belongs to.
    """
    transport = send.__self__.transport  # type: ignore[attr-defined]
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
