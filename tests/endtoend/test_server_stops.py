"""How the server begins and ends: what service managers see, and what becomes of builds."""

from __future__ import annotations

import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest
from tests.endtoend.service import SLOW, Scene

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]


def test_the_service_manager_is_told_when_it_is_ready_and_when_it_stops(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(30)
        scene.service.environment = {**scene.service.environment, "NOTIFY_SOCKET": str(path)}
        scene.service.start()
        assert manager.recv(4096) == b"READY=1"
        scene.service.stop()
        assert manager.recv(4096) == b"STOPPING=1"


def slow(seconds: int) -> str:
    return SLOW.replace("300", str(seconds))


def test_what_is_being_built_may_end_and_deliveries_are_sent_again_later(scene: Scene) -> None:
    scene.service.grace_seconds = 60
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/slow.nix": slow(5)}, branch="slow")
    pull = scene.people.open_pull(scene.place, "slow", author="ada")
    scene.service.wait(lambda: "slow-1" in scene.service.building())
    answers: list[int] = []

    def ask() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until and 503 not in answers:
            answers.append(httpx.get(f"{scene.service.url}/readyz", trust_env=False).status_code)
            time.sleep(0.1)

    asking = threading.Thread(target=ask)
    asking.start()
    assert scene.service.stop() == 0
    asking.join()
    assert answers[-1] == 503, "it is not ready while it stops"
    assert "slow-1" in scene.service.built()
    assert not scene.service.building()
    attempts = scene.service.attempts("slow-1")
    scene.service.start()
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert scene.service.attempts("slow-1") == attempts == 1, "what had ended is not built again"


def test_what_takes_longer_than_the_grace_is_stopped_and_built_by_the_next(scene: Scene) -> None:
    scene.service.grace_seconds = 1
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/slow.nix": slow(12)}, branch="slow")
    pull = scene.people.open_pull(scene.place, "slow", author="ada")
    scene.service.wait(lambda: "slow-1" in scene.service.building())
    assert scene.service.stop() == 0
    assert not scene.service.building(), "its end is recorded"
    scene.service.start()
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert scene.service.attempts("slow-1") == 2


def test_derivations_that_were_collected_meanwhile_are_made_by_evaluating_again(scene: Scene) -> None:
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/slow.nix": slow(8)}, branch="slow")
    pull = scene.people.open_pull(scene.place, "slow", author="ada")
    scene.service.wait(lambda: "slow-1" in scene.service.building())
    assert scene.service.stop() == 0
    for roots in scene.service.folder.rglob("gc-roots"):
        shutil.rmtree(roots)
    (drv,) = (path for path in scene.service.built().split() if path.endswith("-slow-1"))
    file = Path(f"/nix/store/{drv}.drv")
    referrers = scene.service.nix_store("--query", "--referrers-closure", str(file)).split()
    scene.service.nix_store("--delete", *referrers)
    assert not file.exists()
    scene.service.start()
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert file.exists()
    assert scene.service.attempts("slow-1") == 2


def test_a_second_signal_ends_it_at_once(scene: Scene) -> None:
    scene.service.grace_seconds = 600
    scene.service.start()
    scene.people.push(scene.place, {"pkgs/slow.nix": SLOW}, branch="slow")
    scene.people.open_pull(scene.place, "slow", author="ada")
    scene.service.wait(lambda: "slow-1" in scene.service.building())
    assert scene.service.process is not None
    scene.service.process.send_signal(signal.SIGTERM)
    scene.service.wait(lambda: "server_stopping" in scene.service.log)
    assert scene.service.stop(signal.SIGINT) == 128 + signal.SIGINT
    assert not scene.service.building()


def test_a_second_server_with_the_same_database_says_so(scene: Scene) -> None:
    scene.service.start()
    assert scene.service.second() == (2, "another server works with this database")


def test_what_the_app_was_given_while_the_server_was_away_is_learnt_at_start(scene: Scene) -> None:
    scene.github.world.repository("octo/second", files={"README.md": "words\n"})
    scene.service.start()
    given = "SELECT path FROM installation AS i JOIN repository AS r ON r.id = i.repository ORDER BY path"
    scene.service.wait(lambda: scene.service.ask(given) == [("octo/packages",), ("octo/second",)])
