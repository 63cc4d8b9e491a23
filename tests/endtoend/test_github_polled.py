"""A server that no webhook reaches: it asks GitHub, and does all the same."""

from __future__ import annotations

import signal

import pytest
from tests.endtoend.service import Scene

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

BUMP = '{ mkPackage }: mkPackage { pname = "tool"; version = "2"; build = "echo tool > $out"; }\n'


def ask_now(scene: Scene) -> None:
    assert scene.service.process is not None
    scene.service.process.send_signal(signal.SIGHUP)


def test_pull_requests_commands_and_ends_are_noticed_without_webhooks(scene: Scene) -> None:
    scene.service.mode = "poll"
    scene.service.secret = None
    scene.service.settings = "require_approval = true"
    scene.service.start()
    scene.app.webhook_url = None
    people, place = scene.people, scene.place
    people.push(place, {"pkgs/tool.nix": BUMP}, branch="own")
    own = people.open_pull(place, "own", author="ada")
    ask_now(scene)
    scene.service.verdict(place, own.head_sha, "success")
    people.push(place, {"pkgs/tool.nix": BUMP.replace('"2"', '"3"')}, branch="other")
    other = people.open_pull(place, "other", author="mallory")
    ask_now(scene)
    scene.service.wait(lambda: "waiting" in scene.service.states())
    people.comment(place, other, "@eka-ci approve", by="grace")
    ask_now(scene)
    scene.service.verdict(place, other.head_sha, "action_required")  # builds of strangers want a sandbox
    scene.service.wait(lambda: scene.service.states() == ["done"] * 3)
    people.close(place, own)
    ask_now(scene)
    closed = f"SELECT state FROM pull_request WHERE number = {own.number}"  # noqa: S608 - our own number
    scene.service.wait(lambda: scene.service.ask(closed) == [("closed",)])
    assert not scene.service.ask("SELECT 1 FROM delivery WHERE kind <> 'polled news'")
    assert "deliveries_asked_for_again" not in scene.service.log
