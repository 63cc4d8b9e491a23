"""What is done for people who may not write: builds where Nix sandboxes, and nothing that reaches the machine."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.endtoend.service import Scene
from tests.standins.github.records import Pull

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

BUSYBOX = Path("/bin/busybox")
SANDBOX = {"sandbox": "true", "sandbox-fallback": "false", "sandbox-paths": f"/bin/sh={BUSYBOX}"}
EVALUATION = "EkaCI: Evaluate Job (packages)"

needs_busybox = pytest.mark.skipif(not BUSYBOX.exists(), reason="needs a static shell for sandboxes: busybox-static")


def set_nix(scene: Scene, settings: Mapping[str, str]) -> None:
    lines = [f"{name} = {value}" for name, value in settings.items()]
    nix_config = "\n".join([scene.service.environment["NIX_CONFIG"], *lines])
    scene.service.environment = {**scene.service.environment, "NIX_CONFIG": nix_config}


def stranger(scene: Scene, name: str, text: str) -> Pull:
    """Open a pull request of somebody from a fork, with one more package."""
    fork = scene.github.world.fork(scene.place, "mallory")
    scene.people.push(fork, {f"pkgs/{name}.nix": text}, branch="theirs")
    return scene.people.open_pull(scene.place, "theirs", author="mallory", source=fork)


def package(build: str) -> str:
    salted = f"{build}; echo {uuid.uuid4().hex}"
    return f'{{ mkPackage }}: mkPackage {{ pname = "theirs"; version = "1"; build = "{salted}"; }}\n'


def imports() -> str:
    """Write a package whose evaluation needs a build."""
    made = f'name = "made-{uuid.uuid4().hex}"; system = "x86_64-linux"; builder = "/bin/sh";'
    read = f'builtins.readFile (derivation {{ {made} args = [ "-c" "echo echo imported > $out" ]; }})'
    return f'{{ mkPackage }}: mkPackage {{ pname = "theirs"; version = "1"; build = {read}; }}\n'


@needs_busybox
def test_builds_of_strangers_are_made_in_a_sandbox(scene: Scene) -> None:
    set_nix(scene, SANDBOX)
    scene.service.start()
    secret = scene.service.folder / "key.pem"
    pull = stranger(scene, "theirs", package(f"echo begun; [ ! -e {secret} ]; [ ! -e /root ]; [ ! -e /bin/ls ]"))
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert "theirs-1" in scene.service.built()


@pytest.mark.parametrize(
    "settings",
    [{"sandbox": "false"}, {**SANDBOX, "sandbox-fallback": "true"}, {**SANDBOX, "sandbox": "relaxed"}],
    ids=["none", "fallback", "relaxed"],
)
def test_builds_of_strangers_are_refused_where_nix_may_leave_the_sandbox_out(
    scene: Scene, settings: Mapping[str, str]
) -> None:
    set_nix(scene, settings)
    scene.service.start()
    pull = stranger(scene, "theirs", package("echo built"))
    run = scene.service.verdict(scene.place, pull.head_sha, "action_required")
    assert "sandbox-fallback = false" in (run.summary or "").replace("&#8203;", "")
    assert not scene.service.attempts("theirs-1")


@needs_busybox
@pytest.mark.parametrize(
    ("wish", "said"),
    [("__noChroot = true;", "__noChroot"), ('__impureHostDeps = [ "/root" ];', "impure path")],
    ids=["all", "a-path"],
)
def test_a_build_that_asks_to_leave_the_sandbox_does_not_run(scene: Scene, wish: str, said: str) -> None:
    set_nix(scene, SANDBOX)
    scene.service.start()
    sign = scene.service.folder / "escaped"
    made = f'name = "escapes-{uuid.uuid4().hex}"; system = "x86_64-linux"; builder = "/bin/sh"; {wish}'
    text = f'{{ mkPackage }}: derivation {{ {made} args = [ "-c" "echo > {sign}; echo > $out" ]; }}\n'
    pull = stranger(scene, "escapes", text)
    scene.service.verdict(scene.place, pull.head_sha, "failure")
    check = "escapes / New (packages)"
    scene.service.wait(lambda: check in scene.service.checks(scene.place, pull.head_sha))
    assert said in (scene.service.checks(scene.place, pull.head_sha)[check].text or "")
    assert not sign.exists()


@needs_busybox
def test_what_was_approved_is_built_in_a_sandbox(scene: Scene) -> None:
    set_nix(scene, SANDBOX)
    scene.service.settings = "require_approval = true"
    scene.service.start()
    pull = stranger(scene, "theirs", package("[ ! -e /root ]"))
    run = scene.service.verdict(scene.place, pull.head_sha, "action_required")
    assert not scene.service.attempts("theirs-1")
    scene.people.press(scene.place, run, "approve", by="ada")
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert "theirs-1" in scene.service.built()


@needs_busybox
def test_what_a_stranger_imports_is_built_after_an_approval(scene: Scene) -> None:
    set_nix(scene, SANDBOX)
    scene.service.start()
    pull = stranger(scene, "theirs", imports())
    run = scene.service.verdict(scene.place, pull.head_sha, "action_required")
    assert run.title is not None
    assert run.title.startswith("Wait: 1 attribute needs import from derivation")
    assert "/ekaci approve" in (run.summary or "")
    assert [each["identifier"] for each in run.actions] == ["rerun", "approve"]
    scene.service.wait(lambda: EVALUATION in scene.service.checks(scene.place, pull.head_sha))
    assert scene.service.checks(scene.place, pull.head_sha)[EVALUATION].conclusion == "action_required"
    scene.people.press(scene.place, run, "approve", by="mallory")
    scene.people.press(scene.place, run, "approve", by="ada")
    scene.service.verdict(scene.place, pull.head_sha, "success")
    assert scene.service.rounds(pull.head_sha) == [2], "mallory may not approve"
    assert "theirs-1" in scene.service.built()
    scene.service.wait(lambda: scene.service.checks(scene.place, pull.head_sha)[EVALUATION].conclusion == "success")


def test_what_a_stranger_imports_is_built_nowhere_without_a_sandbox(scene: Scene) -> None:
    scene.service.start()
    pull = stranger(scene, "theirs", imports())
    run = scene.service.verdict(scene.place, pull.head_sha, "action_required")
    assert "an approval does not change that" in (run.summary or "")
    scene.people.press(scene.place, run, "approve", by="ada")
    scene.service.wait(lambda: scene.service.rounds(pull.head_sha) == [2])
    scene.service.wait(lambda: scene.service.states().count("done") == len(scene.service.states()))
    scene.service.verdict(scene.place, pull.head_sha, "action_required")
    assert scene.service.attempts("theirs-1") == 0
