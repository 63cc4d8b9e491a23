"""A plugin that does not give way: the server goes on to answer, and says who it is."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import httpx
import pytest
from tests.endtoend.service import Scene
from tests.standins.github.records import Pull

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

BLOCKED_SECONDS = 15

BLOCKS = f"time.sleep({BLOCKED_SECONDS})"
SWALLOWS = """
            while True:
                try:
                    await anyio.sleep_forever()
                except BaseException:
                    continue
"""

PLUGIN = """
import contextlib, pathlib, time
import anyio
import attrs
from ekaci_core.api import InfrastructureFault
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1

@attrs.frozen
class Config:
    pass

class Blocking:
    identity = "blocking"

    @contextlib.asynccontextmanager
    async def evaluate(self, request):
        begun = pathlib.Path(__file__).with_name("begun")
        if not begun.exists():
            begun.touch()
            WHAT_IT_DOES
        raise InfrastructureFault("it only blocks", where="blocking")
        yield

class BlockingType:
    name = "blocking"
    config = Config

    @contextlib.asynccontextmanager
    async def open(self, config, context):
        yield Blocking()

@hookimpl
def ekaci_register_evaluator_types():
    return [BlockingType()]
"""


def begun(scene: Scene, site: Path, what: str) -> Pull:
    """A server that reviews a pull request, by an evaluator that does this."""
    install(site, what)
    scene.service.environment = {**scene.service.environment, "PYTHONPATH": str(site)}
    scene.service.evaluator = "blocking"
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/one.nix": "{ }: { }\n"}, branch="one")
    pull = scene.people.open_pull(scene.place, "one", author="ada")
    scene.service.wait((site / "begun").exists)
    return pull


def install(folder: Path, what: str) -> None:
    folder.mkdir()
    (folder / "ekaci_blocking.py").write_text(PLUGIN.replace("WHAT_IT_DOES", what.strip()))
    info = folder / "ekaci_blocking-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ekaci-blocking\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ekaci.plugins]\nblocking = ekaci_blocking\n")


def test_a_plugin_that_blocks_keeps_no_forge_and_no_manager_waiting(scene: Scene, tmp_path: Path) -> None:
    pull = begun(scene, tmp_path / "site-packages", BLOCKS)
    asked: list[int] = []
    while "loop_turns_again" not in scene.service.log:
        began = time.monotonic()
        assert httpx.get(f"{scene.service.url}/healthz", trust_env=False).status_code == 200
        assert time.monotonic() - began < BLOCKED_SECONDS / 3
        asked.append(httpx.get(f"{scene.service.url}/readyz", trust_env=False).status_code)
        if len(asked) == 1:
            scene.people.comment(scene.place, pull, "words", by="ada")
        time.sleep(0.2)
    told = scene.github.world.last_delivery("issue_comment")
    scene.service.wait(lambda: told.status_code != 0)
    assert told.status_code == 202
    assert told.seconds < BLOCKED_SECONDS / 3
    assert 503 in asked, "whoever asks learns that no work is done"
    (line,) = [each for each in scene.service.log.splitlines() if "loop_stuck" in each]
    assert "ekaci_blocking.py" in line
    assert "evaluate" in line


def test_a_plugin_that_swallows_its_cancellation_keeps_no_server_from_ending(scene: Scene, tmp_path: Path) -> None:
    begun(scene, tmp_path / "site-packages", SWALLOWS)
    assert scene.service.process is not None
    scene.service.process.send_signal(signal.SIGTERM)
    scene.service.wait(lambda: "server_stopping" in scene.service.log)
    assert scene.service.stop(signal.SIGINT) == 128 + signal.SIGINT
    assert "stop_overdue" in scene.service.log
