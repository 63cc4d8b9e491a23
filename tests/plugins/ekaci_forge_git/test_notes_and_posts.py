"""What becomes of a verdict: a note at the remote, and a signed POST."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from tests.plugins.ekaci_forge_git.bare import Bare, context_of, opened

from ekaci_core.api import Check, CheckStatus, Conclusion, Forge, Published, PublishFailed, Secret
from ekaci_core.builtin.addresses import CheckedAddresses
from ekaci_core.testing.forge_laboratory import RecordingLogger

pytestmark = pytest.mark.anyio

SECRET = "between-the-two-canary"  # noqa: S105 - of this test


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    made = Bare.made(tmp_path / "packages.git")
    made.push("pr/one", "First", onto=made("rev-parse", "main"))
    return made


@pytest.fixture
def log() -> RecordingLogger:
    return RecordingLogger()


async def verdict(forge: Forge, title: str = "Do not merge: kettle fails", **changes: Any) -> Check:
    (repository,) = await forge.repositories()
    (pull,) = await forge.open_pull_requests(repository)
    made = Check(
        repository, pull.head_sha, "EkaCI: Verdict", CheckStatus.COMPLETED, Conclusion.FAILURE, title, "- kettle fails"
    )
    return attrs.evolve(made, **changes)


async def test_a_verdict_is_a_note_and_the_last_one_counts(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    async with opened(bare, tmp_path / "cache", context_of(log), notes=True) as forge:
        first = await verdict(forge)
        for check in (first, first, attrs.evolve(first, title="Merge", conclusion=Conclusion.SUCCESS)):
            answer = await forge.publish(check, None)
            assert isinstance(answer, Published)
        assert bare("notes", "--ref=ekaci", "show", first.sha).startswith(
            "EkaCI: Verdict: success\n\nMerge\n\n- kettle"
        )
        assert bare("rev-list", "--count", "refs/notes/ekaci") == "2", "the same is not written twice"


async def test_what_is_no_verdict_makes_no_note(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    async with opened(bare, tmp_path / "cache", context_of(log), notes=True) as forge:
        check = await verdict(forge, status=CheckStatus.IN_PROGRESS, conclusion=None)
        assert isinstance(await forge.publish(check, None), Published)
        assert isinstance(await forge.publish(await verdict(forge, context="another"), None), Published)
        assert "refs/notes" not in bare("for-each-ref")


async def test_notes_of_others_stay(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    """Two servers that write at once, each at a commit of its own, and a note that a person wrote."""
    main = bare("rev-parse", "main")
    bare("notes", "--ref=ekaci", "add", "-m", "by hand", main)
    bare.push("pr/two", "Second", onto=main)
    async with (
        opened(bare, tmp_path / "a", context_of(log), notes=True, changes=("pr/one",)) as first,
        opened(bare, tmp_path / "b", context_of(log), notes=True, changes=("pr/two",)) as second,
    ):
        for number in range(4):
            checks = [(each, await verdict(each, title=f"No {number}")) for each in (first, second)]
            async with anyio.create_task_group() as tasks:
                for forge, check in checks:
                    tasks.start_soon(forge.publish, check, None)
            for _, check in checks:
                assert f"No {number}" in bare("notes", "--ref=ekaci", "show", check.sha)
    assert bare("notes", "--ref=ekaci", "show", main) == "by hand"


async def test_a_refused_push_is_said_once_and_is_no_fault(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    hook = bare.folder / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    async with opened(bare, tmp_path / "cache", context_of(log), notes=True) as forge:
        for title in ("One", "Two"):
            assert isinstance(await forge.publish(await verdict(forge, title), None), Published)
    assert sum("notes_refused" in line for line in log.lines) == 1
    assert "refs/notes" not in bare("for-each-ref")


async def test_a_remote_that_is_away_is_tried_again(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    async with opened(bare, tmp_path / "cache", context_of(log), notes=True) as forge:
        check = await verdict(forge)
        bare.folder.rename(tmp_path / "away")
        answer = await forge.publish(check, None)
        assert isinstance(answer, PublishFailed)
        assert answer.retry_after_seconds is not None
        (tmp_path / "away").rename(bare.folder)
        assert isinstance(await forge.publish(check, None), Published)
        assert "kettle" in bare("notes", "--ref=ekaci", "show", check.sha)


async def test_there_are_no_comments(bare: Bare, tmp_path: Path, log: RecordingLogger) -> None:
    async with opened(bare, tmp_path / "cache", context_of(log)) as forge:
        (repository,) = await forge.repositories()
        answer = await forge.comment(repository, 1, "text", None)
        assert isinstance(answer, PublishFailed)
        assert answer.retry_after_seconds is None


class Receiver(HTTPServer):
    """Takes what is posted, and answers as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 204
        self.taken: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/verdicts"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_verdict_is_posted_and_signed(
    bare: Bare, tmp_path: Path, log: RecordingLogger, receiver: Receiver
) -> None:
    context = context_of(log, addresses=CheckedAddresses(allow_private=True))
    settings = {"post_url": receiver.url, "post_secret": Secret(SECRET)}
    async with opened(bare, tmp_path / "cache", context, **settings) as forge:
        check = await verdict(forge)
        assert isinstance(await forge.publish(check, None), Published)
        ((headers, body),) = receiver.taken
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert headers["X-EkaCI-Signature-256"] == f"sha256={signature}"
        assert headers["Host"] == f"127.0.0.1:{receiver.server_port}"
        document = json.loads(body)
        assert (document["sha"], document["conclusion"]) == (check.sha, "failure")
        assert (document["forge"], document["repository"]) == ("git.local", "packages/packages")
        assert isinstance(await forge.publish(check, None), Published)
        assert receiver.taken[0][0]["X-EkaCI-Delivery"] == receiver.taken[1][0]["X-EkaCI-Delivery"]
    assert not any(SECRET in line for line in log.lines)


@pytest.mark.parametrize(("status", "again"), [(500, True), (503, True), (429, True), (400, False), (302, False)])
async def test_a_post_that_is_not_taken(
    bare: Bare, tmp_path: Path, log: RecordingLogger, receiver: Receiver, *, status: int, again: bool
) -> None:
    receiver.status = status
    context = context_of(log, addresses=CheckedAddresses(allow_private=True))
    async with opened(bare, tmp_path / "cache", context, post_url=receiver.url) as forge:
        answer = await forge.publish(await verdict(forge), None)
        assert isinstance(answer, PublishFailed)
        assert (answer.retry_after_seconds is not None) is again
        assert len(receiver.taken) == 1, "it is not led elsewhere"


async def test_nothing_is_posted_into_places_that_are_not_the_operators(
    bare: Bare, tmp_path: Path, log: RecordingLogger, receiver: Receiver
) -> None:
    context = context_of(log, addresses=CheckedAddresses())
    async with opened(bare, tmp_path / "cache", context, post_url=receiver.url) as forge:
        answer = await forge.publish(await verdict(forge), None)
        assert isinstance(answer, PublishFailed)
        assert "this machine itself" in answer.reason
    assert receiver.taken == []
