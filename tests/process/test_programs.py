"""Programs as plugins run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ekaci_core.api import InfrastructureFault, Secret
from ekaci_core.builtin.programs import ProgramCommands
from ekaci_core.telemetry import REDACTOR

SHOW = ["/bin/sh", "-c", 'cat; echo "$TOKEN $HOME $OTHER"; pwd; echo ill >&2; exit 3']


async def test_it_has_what_it_is_given_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "the server's own")
    token = Secret("token-of-the-cache")
    REDACTOR.learn("test", [token])
    written: list[bytes] = []
    try:
        ended = await ProgramCommands().run(
            SHOW,
            environment={"PATH": "/usr/bin:/bin", "TOKEN": token, "HOME": "/nowhere"},
            stdin=b"said\n",
            folder=tmp_path,
            log=written.append,
        )
    finally:
        REDACTOR.learn("test", [])
    assert ended.status == 3
    assert ended.output.splitlines() == ["said", "[REDACTED] /nowhere ", str(tmp_path), "ill"]
    assert b"".join(written).splitlines()[1] == b"token-of-the-cache /nowhere ", "who writes the log masks it"


async def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(InfrastructureFault, match="cachix"):
        await ProgramCommands().run(["cachix", "push"], environment={"PATH": "/nowhere"})


async def test_what_the_log_raises_stops_it() -> None:
    def full(_: bytes) -> None:
        raise InfrastructureFault("no space left", where="the log")

    with pytest.raises(InfrastructureFault, match="no space left"):
        await ProgramCommands().run(["/bin/sh", "-c", "echo a; sleep 60"], environment={}, log=full)
