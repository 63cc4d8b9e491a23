"""Send deliveries over many connections that are kept alive, each until it is acknowledged; every one twice.

python tests/process/webhooks/load.py PORT COUNT CONNECTIONS BYTES

Prints ``half`` once half of all requests are acknowledged, and in the end a JSON document with the status of every
acknowledgement and the milliseconds that each took. A connection that breaks is opened again, and what was not
acknowledged on it is sent again, as a forge would that is asked to.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import deque

from ekaci_core.api import (
    Branch,
    CommitSha,
    Person,
    PullRequest,
    PullRequestAction,
    PullRequestChanged,
    PullRequestState,
    RepositoryId,
)
from ekaci_core.testing.scripted_forge import HOST, delivery_headers, payload_of

REPOSITORIES = 20
KEYS = (
    "html_url",
    "url",
    "followers_url",
    "node_id",
    "created_at",
    "gravatar_id",
    "site_admin",
    "has_issues",
    "watchers",
)
PLACES = (
    "commits{/sha}",
    "git/refs{/sha}",
    "issues/comments{/number}",
    "pulls{/number}",
    "statuses/",
    "events{/privacy}",
)


def delivery(number: int, size: int, chance: random.Random) -> bytes:
    """A request for one delivery of about so many bytes."""
    # As a forge's own bodies: the same keys and addresses over and over, and here and there a number.
    places = [f"{key}: https://api.forge.example/repos/org/repo/{place}" for key in KEYS for place in PLACES]
    words = (
        chance.choice(places) + (f" {chance.getrandbits(40):x}" if chance.random() < 0.2 else "") for _ in range(size)
    )
    filler = ""
    while len(filler) < size:
        filler += next(words) + ", "
    repository = RepositoryId.parse(HOST, f"org/repo{number % REPOSITORIES}")
    pull = PullRequest(
        repository=repository,
        number=number,
        title=filler[:size],
        author=Person("ann", 1),
        state=PullRequestState.OPEN,
        draft=False,
        base=Branch.parse("main"),
        base_sha=CommitSha.parse("b" * 40),
        head=Branch.parse("topic"),
        head_sha=CommitSha.parse(f"{number:040x}"),
        head_repository=repository,
        updated_at=1000,
    )
    body = payload_of(PullRequestChanged(PullRequestAction.OPENED, pull, pull.author))
    headers = delivery_headers(f"delivery-{number}", body, "secret")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /scripted/webhook HTTP/1.1\r\nhost: load\r\n{lines}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Load:
    """What is to be sent, and what came back."""

    def __init__(self, port: int, requests: list[bytes]) -> None:
        self.port = port
        self.waiting = deque(requests)
        self.half = len(requests) // 2
        self.statuses: list[int] = []
        self.milliseconds: list[float] = []

    async def connection(self) -> None:
        """Send until nothing waits."""
        while self.waiting:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            try:
                while self.waiting:
                    await self._one(reader, writer)
            except (OSError, EOFError):
                pass
            finally:
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = self.waiting.popleft()
        acknowledged = False
        begin = time.perf_counter()
        try:
            writer.write(request)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            acknowledged = True
        finally:
            if not acknowledged:
                self.waiting.append(request)
        self.milliseconds.append((time.perf_counter() - begin) * 1000)
        self.statuses.append(int(head.split()[1]))
        if len(self.statuses) == self.half:
            sys.stdout.write("half\n")
            sys.stdout.flush()


async def main(port: int, count: int, connections: int, size: int) -> None:
    chance = random.Random(1)  # noqa: S311 - filler
    requests = [delivery(number, size, chance) for number in range(1, count + 1) for _ in range(2)]
    load = Load(port, requests)
    begin = time.perf_counter()
    await asyncio.gather(*(load.connection() for _ in range(connections)))
    seconds = time.perf_counter() - begin
    json.dump({"statuses": load.statuses, "milliseconds": load.milliseconds, "seconds": seconds}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:5])))
