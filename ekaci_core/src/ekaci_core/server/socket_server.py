"""The socket that ``ekaci`` commands talk to: one JSON document in, one out.

A client writes its request, shuts its half down, and reads the answer to the end.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc

from ekaci_core.api import EkaciError, InfrastructureFault, Logger, UsageFault
from ekaci_core.process.plain import plain
from ekaci_core.server.socket_client import ClientGone, SocketClient
from ekaci_core.server.socket_place import listening

MOST_BYTES: Final = 1024 * 1024
"""The longest request."""
CLIENT_SECONDS: Final = 30.0
"""How long a client may take to write its request, and to read the answer."""
ANSWER_SECONDS: Final = 120.0
"""How long the server may take to answer: forges are asked for some of them."""
MOST_CLIENTS: Final = 128
"""Connections at once; more wait to be taken."""
MOST_ANSWERS: Final = 16
"""Requests that are worked on at once."""

_PAUSE_SECONDS: Final = 0.5

Answering = Callable[[object, str], Awaitable[Mapping[str, Any]]]
"""Answers the document of a request; the second is the name of the person who asks. Raises `EkaciError` for faults."""


class SocketServer:
    """Answers at a socket for as long as `run` runs."""

    def __init__(self, path: Path, answer: Answering, log: Logger, *, client_seconds: float = CLIENT_SECONDS) -> None:
        """Prepare.

        Args:
            path: where the socket is to be.
            answer: what is asked.
            log: hears of requests that failed in a way nobody foresaw.
            client_seconds: how long a client may take to write, and to read.
        """
        self._path = path
        self._answer = answer
        self._log = log
        self._client_seconds = client_seconds
        self._clients = anyio.Semaphore(MOST_CLIENTS)
        self._answers = anyio.Semaphore(MOST_ANSWERS)

    async def run(self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Answer, for ever.

        Raises:
            UsageFault: another server listens there, or it cannot be a socket's place.
            InfrastructureFault: the socket cannot be made.
        """
        with listening(self._path) as bound:
            async with anyio.create_task_group() as tasks:
                task_status.started()
                while True:
                    await self._clients.acquire()
                    tasks.start_soon(self._serve, await self._accepted(bound), name="socket client")

    async def _accepted(self, bound: socket.socket) -> SocketClient:
        while True:
            try:
                return SocketClient(bound.accept()[0])
            except BlockingIOError:
                await anyio.wait_readable(bound)
            except OSError as error:  # no descriptor is free, most likely; who waits is not lost
                self._log.warning("socket_not_accepted", reason=str(error))
                await anyio.sleep(_PAUSE_SECONDS)

    async def _serve(self, client: SocketClient) -> None:
        try:
            with client:
                answer = await self._answered(client)
                with anyio.move_on_after(self._client_seconds):
                    await client.write(json.dumps(answer).encode())
        except ClientGone as gone:
            self._log.debug("socket_client_gone", reason=str(gone))
        finally:
            self._clients.release()

    async def _answered(self, client: SocketClient) -> Mapping[str, Any]:
        try:
            document = _document(await self._request(client))
            async with self._answers:
                with anyio.fail_after(ANSWER_SECONDS):
                    return await self._answer(document, client.person)
        except ClientGone:
            raise
        except EkaciError as fault:
            return fault_document(fault)
        except TimeoutError:
            return fault_document(InfrastructureFault(f"no answer within {ANSWER_SECONDS:g} s", do="ask again"))
        except Exception as error:  # noqa: BLE001 - a defect of one answer must not end the server
            reason = plain(f"{type(error).__name__}: {error}", 500)
            self._log.warning("socket_request_failed", reason=reason)
            return fault_document(InfrastructureFault(f"a defect of EkaCI: {reason}", do="please report it"))

    async def _request(self, client: SocketClient) -> bytes:
        with anyio.move_on_after(self._client_seconds):
            request = await client.read(MOST_BYTES)
            if request is None:
                raise UsageFault(f"the request is longer than {MOST_BYTES} bytes")
            return request
        raise UsageFault(
            f"the request did not end within {self._client_seconds:g} s", do="shut down the writing half after it"
        )


def fault_document(fault: EkaciError) -> dict[str, Any]:
    """Write a fault as an answer."""
    told = {"what": fault.what, "where": fault.where, "do": fault.do, "exit_status": fault.exit_status}
    return {"Error": told}


def _document(request: bytes) -> object:
    try:
        document: object = json.loads(request)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise UsageFault(f"the request is not a JSON document: {plain(what, 200)}") from None
    return document
