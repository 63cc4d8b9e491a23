"""The socket by itself: what it bears from clients."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import attrs
import pytest

from ekaci_core.api import InfrastructureFault, UsageFault
from ekaci_core.server.socket_place import listening
from ekaci_core.server.socket_server import MOST_ANSWERS, MOST_BYTES, MOST_CLIENTS, SocketServer
from ekaci_core.testing.builders import SilentLogger

pytestmark = pytest.mark.anyio


@attrs.define
class Answers:
    """Answers with the request, once it may."""

    may: anyio.Event = attrs.field(factory=anyio.Event)
    people: set[str] = attrs.field(factory=set)
    busy: int = 0
    busiest: int = 0

    async def answer(self, document: object, person: str) -> Mapping[str, Any]:
        self.people.add(person)
        if document == "defect":
            raise ZeroDivisionError("a \x1b[31mred one")
        if document == "fault":
            raise InfrastructureFault("the disk is full", where="/disk", do="make room")
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        if document == "wait":
            await self.may.wait()
        self.busy -= 1
        return {"Echo": document}


@asynccontextmanager
async def serving(path: Path, answers: Answers, client_seconds: float = 20) -> AsyncIterator[None]:
    server = SocketServer(path, answers.answer, SilentLogger(), client_seconds=client_seconds)
    async with anyio.create_task_group() as tasks:
        await tasks.start(server.run)
        yield
        tasks.cancel_scope.cancel()


async def asked(path: Path, request: bytes) -> Any:
    async with await anyio.connect_unix(path) as stream:
        await stream.send(request)
        await stream.send_eof()
        return await told(stream)


async def told(stream: anyio.abc.SocketStream) -> Any:
    answer = b"".join([part async for part in stream])
    return json.loads(answer)


async def test_one_document_in_and_one_out(tmp_path: Path) -> None:
    answers = Answers()
    path = tmp_path / "a folder/that/is made/socket"
    async with serving(path, answers):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert await asked(path, b'{"a": "\xc3\xbc"}') == {"Echo": {"a": "\u00fc"}}
        long = "x" * (MOST_BYTES - 2)
        assert await asked(path, json.dumps(long).encode()) == {"Echo": long}
    assert not path.exists()
    assert len(answers.people) == 1


async def test_faults_are_told(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with serving(path, Answers()):
        fault = {"what": "the disk is full", "where": "/disk", "do": "make room", "exit_status": 3}
        assert await asked(path, b'"fault"') == {"Error": fault}
        defect = (await asked(path, b'"defect"'))["Error"]
        assert defect["exit_status"] == 3
        assert defect["what"] == "a defect of EkaCI: ZeroDivisionError: a red one"
        for request in (b"", b"nonsense", b"\xff", b"{" * 1000, b"[" * MOST_BYTES, b" " * (MOST_BYTES + 1)):
            assert (await asked(path, request))["Error"]["exit_status"] == 2


async def test_who_hangs_is_let_go_and_holds_up_nobody(tmp_path: Path) -> None:
    path = tmp_path / "s"
    async with serving(path, Answers(), client_seconds=0.3):
        hanging = [await anyio.connect_unix(path) for _ in range(MOST_CLIENTS + 20)]
        with anyio.fail_after(20):
            assert await asked(path, b"1") == {"Echo": 1}
            for each in hanging:
                assert "did not end within" in (await told(each))["Error"]["what"]
                await each.aclose()


async def test_who_goes_away_or_reads_nothing_harms_nobody(tmp_path: Path) -> None:
    path = tmp_path / "s"
    large = json.dumps("x" * 900_000).encode()
    async with serving(path, Answers(), client_seconds=1):
        for _ in range(30):
            gone = await anyio.connect_unix(path)
            await gone.send(b"1")
            await gone.aclose()
        lazy = [await anyio.connect_unix(path) for _ in range(20)]
        for each in lazy:
            await each.send(large)
            await each.send_eof()
        with anyio.fail_after(20):
            assert await asked(path, b"1") == {"Echo": 1}
        for each in lazy:
            await each.aclose()


async def test_many_are_answered_at_once_but_not_all(tmp_path: Path) -> None:
    path, answers, count = tmp_path / "s", Answers(), 60
    found: list[Any] = []

    async def one() -> None:
        found.append(await asked(path, b'"wait"'))

    async with serving(path, answers), anyio.create_task_group() as clients:
        for _ in range(count):
            clients.start_soon(one)
        with anyio.fail_after(20):
            while answers.busy < MOST_ANSWERS:  # noqa: ASYNC110 - they are counted, and tell nobody
                await anyio.sleep(0.01)
        answers.may.set()
    assert found == [{"Echo": "wait"}] * count
    assert answers.busiest == MOST_ANSWERS


async def test_a_socket_that_nobody_serves_is_replaced_and_one_that_is_served_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(path))
    async with serving(path, Answers()):
        assert await asked(path, b"1") == {"Echo": 1}
        before = path.stat().st_ino
        with pytest.raises(UsageFault, match="another server"), listening(path):
            pass
        assert path.stat().st_ino == before
        assert await asked(path, b"2") == {"Echo": 2}


def test_another_programs_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with closing(socket.socket(socket.AF_UNIX)) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(UsageFault, match="another program"), listening(path):
            pass
        assert path.exists()


def test_places_that_cannot_be(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(UsageFault, match="no socket"), listening(file):
        pass
    assert file.read_text() == "precious"
    with pytest.raises(InfrastructureFault, match="folder"), listening(file / "below"):
        pass
    with pytest.raises(UsageFault, match="too long"), listening(tmp_path / ("x" * 150)):
        pass
    link = tmp_path / "link.lock"
    link.symlink_to(file)
    with pytest.raises(InfrastructureFault, match="lock"), listening(tmp_path / "link"):
        pass


def test_a_socket_that_was_put_in_its_place_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening(path):
        path.unlink()
        path.write_text("mine")
    assert path.read_text() == "mine"


def test_the_lock_goes_with_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening(path):
        pass
    descriptor = os.open(tmp_path / "s.lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
