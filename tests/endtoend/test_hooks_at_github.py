"""Post-build hooks of a real server: whose are run of what, and what becomes of them."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import uuid
from pathlib import Path

import pytest
from tests.endtoend.service import SLOW, Scene, Service
from tests.endtoend.test_commands_at_github import answer, run
from tests.standins.github.records import Pull

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

CONFIG = ".eka-ci/config.json"
TELL = """
name = "{name}"
command = ["/bin/sh", "-c", "env; echo words $$*; echo lines $$(cat)", "sh", "$OUT_PATHS"]
"""
SERVER_HOOK = f"[[post_build_hooks]]{TELL.format(name='told')}"
FOD_HOOK = f"[[fod_post_build_hooks]]{TELL.format(name='fetched')}"
ALL_HOOKS = "SELECT hook, origin, state, job, branch, attempts, deaths FROM hook_execution ORDER BY id"


def wave(text: str = "") -> dict[str, str]:
    """A package and its source, which is a fixed-output derivation; both are new each time."""
    text = text or uuid.uuid4().hex
    digest = hashlib.sha256(f"{text}\n".encode()).hexdigest()
    source = f'fetchText {{ name = "wave-source"; text = "{text}"; sha256 = "{digest}"; }}'
    package = f'mkPackage {{ pname = "wave"; version = "1"; inputs = [ ({source}) ]; }}'
    return {"pkgs/wave.nix": f"{{ mkPackage, fetchText }}: {package}\n"}


def configuration(*hooks: dict[str, object]) -> str:
    """A configuration file whose job has these hooks."""
    return json.dumps({"jobs": {"packages": {"file": "default.nix", "post_build_hooks": hooks}}})


def own(name: str, script: str, **env: str) -> dict[str, object]:
    """A hook of a repository."""
    return {"name": name, "command": ["/bin/sh", "-c", script.replace("$", "$$"), "sh", "$OUT_PATHS"], "env": env}


def opened(scene: Scene, files: dict[str, str], branch: str = "wave", author: str = "ada") -> Pull:
    scene.people.push(scene.place, files, branch=branch)
    return scene.people.open_pull(scene.place, branch, author=author)


def done(service: Service, sha: str) -> bool:
    """Whether the review of a commit is concluded: by then, its hooks are queued."""
    return service.ask(f"SELECT state FROM review WHERE head_sha = '{sha}'") == [("done",)]  # noqa: S608


def hook_logs(service: Service, name: str) -> list[str]:
    return [path.read_text() for path in sorted((service.folder / "logs").glob(f"*/hook-{name}.log"))]


def ended(service: Service) -> bool:
    rows = service.ask("SELECT state FROM hook_execution")
    return bool(rows) and all(state not in ("queued", "running", "interrupted") for (state,) in rows)


def sleeps(mark: str) -> bool:
    """Whether a process sleeps for so many seconds."""
    return subprocess.run(["pgrep", "-f", f"sleep {mark}"], check=False, capture_output=True).returncode == 0


def test_the_servers_hooks_are_told_of_what_a_pull_request_built(scene: Scene) -> None:
    scene.service.settings = f"{SERVER_HOOK}\n{FOD_HOOK}"
    scene.service.environment = {**scene.service.environment, "NIX_CANARY": "canary-of-the-server"}
    scene.service.start()
    pull = opened(scene, wave())
    scene.service.verdict(scene.place, pull.head_sha, "success")
    scene.service.wait(lambda: done(scene.service, pull.head_sha) and ended(scene.service))
    rows = scene.service.ask("SELECT hook, origin, job, branch, state FROM hook_execution ORDER BY hook")
    assert rows == [
        ("fetched", "server", "packages", "wave", "succeeded"),
        ("told", "server", "packages", "wave", "succeeded"),
        ("told", "server", "packages", "wave", "succeeded"),
    ], "hooks for fixed-output derivations are run beside the others, and nothing that was there already is told of"
    (fetched,) = hook_logs(scene.service, "fetched")
    source, package = sorted(hook_logs(scene.service, "told"), key=lambda log: "EKA_IS_FOD=false" in log)
    assert "EKA_IS_FOD=true" in source
    assert "EKA_IS_FOD=true" in fetched
    lines = package.splitlines()
    wanted = {"EKA_JOB_NAME=packages", "EKA_IS_FOD=false", "EKA_PNAME=wave", "EKA_REPO=octo/packages"}
    wanted |= {"EKA_BRANCH=wave", f"EKA_COMMIT_SHA={pull.head_sha}", "HOME=/home/hook", "TMPDIR=/tmp"}
    assert wanted <= set(lines)
    (out,) = (line.removeprefix("OUT_PATHS=") for line in lines if line.startswith("OUT_PATHS="))
    assert out.endswith("-wave-1")
    assert f"words {out}" in lines
    assert f"lines {out}" in lines
    assert "canary" not in f"{fetched}{source}{package}"
    (shown, *_) = answer(scene, "hooks", "list", "--state", "succeeded")
    assert (shown["origin"], shown["repository"].partition("/")[2], shown["sha"]) == (
        "server",
        "octo/packages",
        pull.head_sha,
    )
    assert "succeeded" in run(scene, "hooks")
    assert answer(scene, "hooks", "--state", "failed") == []
    events = {event for (event,) in scene.service.ask("SELECT event FROM audit_record WHERE subject LIKE 'hook:%'")}
    assert events == {"hook_execution_start", "hook_execution_complete"}


def test_of_a_fork_no_hook_is_run_until_it_is_merged(scene: Scene) -> None:
    """Not even where who opened it may write."""
    scene.service.settings = SERVER_HOOK
    scene.service.start()
    fork = scene.github.world.fork(scene.place, "ada")
    files = wave()
    scene.people.push(fork, files, branch="theirs")
    pull = scene.people.open_pull(scene.place, "theirs", author="ada", source=fork)
    scene.service.verdict(scene.place, pull.head_sha, "success")
    scene.service.wait(lambda: done(scene.service, pull.head_sha))
    assert "wave-1" in scene.service.built()
    assert scene.service.ask(ALL_HOOKS) == []
    sha = scene.people.push(scene.place, files, branch="main")
    scene.service.wait(lambda: done(scene.service, sha) and ended(scene.service))
    rows = scene.service.ask("SELECT hook, state, branch, sha FROM hook_execution")
    assert set(rows) == {("told", "succeeded", "main", sha)}
    assert len(rows) == 2, "the package and its source"


def test_a_hook_runs_for_the_branches_that_it_is_allowed_for(scene: Scene) -> None:
    scene.service.settings = f'{SERVER_HOOK}\npermissions = {{ allow_all = false, allowed_branches = ["main"] }}\n'
    scene.service.start()
    files = wave()
    pull = opened(scene, files)
    scene.service.wait(lambda: done(scene.service, pull.head_sha))
    assert scene.service.ask(ALL_HOOKS) == []
    sha = scene.people.push(scene.place, files, branch="main")
    scene.service.wait(lambda: done(scene.service, sha) and ended(scene.service))
    assert {branch for (branch,) in scene.service.ask("SELECT branch FROM hook_execution")} == {"main"}


def test_a_change_cannot_add_a_hook_and_can_take_one_away(scene: Scene) -> None:
    scene.people.push(scene.place, {CONFIG: configuration(own("old", "id"), own("kept", "id"))}, branch="main")
    scene.service.settings = '[security]\nallowed_hook_repos = ["octo/*"]\n'
    scene.service.start()
    changed = configuration(own("kept", "echo changed"), own("new", "id"))
    pull = opened(scene, {CONFIG: changed, **wave()})
    scene.service.wait(lambda: done(scene.service, pull.head_sha) and ended(scene.service))
    rows = scene.service.ask("SELECT DISTINCT hook, origin, state FROM hook_execution")
    assert rows == [("kept", "repository", "succeeded")]
    assert {log.partition(" ")[0] for log in hook_logs(scene.service, "kept")} == {"uid=1000(hook)"}, (
        "as the base has it"
    )


def test_hooks_of_a_repository_are_run_in_the_sandbox_where_the_server_lists_it(scene: Scene) -> None:
    database = scene.service.folder / "db/sqlite.db"
    script = f"cat {database}; env; cat /etc/shadow; nix-store -q --references $1 && echo $MINE"
    config = configuration(own("mine", script, MINE="of-the-repository"))
    scene.people.push(scene.place, {CONFIG: config}, branch="main")
    scene.service.settings = '[security]\nallowed_hook_repos = ["OCTO/pack*"]\n'
    scene.service.start()
    pull = opened(scene, wave())
    scene.service.wait(lambda: done(scene.service, pull.head_sha) and ended(scene.service))
    assert {row[:3] for row in scene.service.ask(ALL_HOOKS)} == {("mine", "repository", "succeeded")}
    for log in hook_logs(scene.service, "mine"):
        assert "of-the-repository" in log
        assert f"cat: {database}: No such file or directory" in log
        assert "cat: /etc/shadow: No such file or directory" in log
        assert "MY_APP" not in log
        assert "WEBHOOK_SECRET" not in log


def test_hooks_of_other_repositories_are_not_run_and_that_is_told(scene: Scene) -> None:
    scene.people.push(scene.place, {CONFIG: configuration(own("mine", "id"))}, branch="main")
    scene.service.settings = f'{SERVER_HOOK}\n[security]\nallowed_hook_repos = ["octo/packages-*"]\n'
    scene.service.start()
    pull = opened(scene, wave())
    scene.service.verdict(scene.place, pull.head_sha, "success")
    scene.service.wait(lambda: done(scene.service, pull.head_sha) and ended(scene.service))
    assert {row[:2] for row in scene.service.ask(ALL_HOOKS)} == {("told", "server")}, "the server's own are"
    denied = scene.service.ask("SELECT subject, detail FROM audit_record WHERE event = 'hook_permission_denied'")
    assert denied == [("hook:mine", "the repository is not in security.allowed_hook_repos")]


def test_a_hook_that_fails_turns_no_verdict_and_delays_none(scene: Scene) -> None:
    mark = f"20{uuid.uuid4().int % 10**7}"
    script = f"echo it fails; sleep {mark}"
    command = json.dumps(["/bin/sh", "-c", script, "sh", "$OUT_PATHS"])
    failing = '[[post_build_hooks]]\nname = "fails"\ncommand = ["/bin/sh", "-c", "echo no; exit 7", "sh", "$OUT_PATHS"]'
    scene.service.settings = f'{failing}\n[[post_build_hooks]]\nname = "lasts"\ncommand = {command}\n'
    scene.service.settings += "[security]\nmax_hook_timeout_seconds = 8\naudit_hooks = false\n"
    scene.service.start()
    pull = opened(scene, wave())
    run_ = scene.service.verdict(scene.place, pull.head_sha, "success")
    assert run_.title is not None
    assert run_.title.startswith("Merge")
    scene.service.wait(lambda: ended(scene.service))
    rows = scene.service.ask("SELECT DISTINCT hook, state, exit_status, reason FROM hook_execution ORDER BY hook")
    assert rows == [
        ("fails", "failed", 7, "exit status 7"),
        ("lasts", "timed_out", None, "Hook execution timed out after 8 seconds"),
    ]
    assert scene.service.ask("SELECT count(*) FROM audit_record") == [(0,)]
    assert "hook_execution_timeout" in scene.service.log, "what goes wrong is logged in any case"
    assert not sleeps(mark)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stopped"])
def test_what_ran_when_the_server_ended_runs_again(scene: Scene, tmp_path: Path, *, killed: bool) -> None:
    flags = tmp_path / "flags"
    flags.mkdir()
    mark = f"30{uuid.uuid4().int % 10**7}"
    script = f"[ -e {flags}/go ] || sleep {mark}"
    command = json.dumps(["/bin/sh", "-c", script, "sh", "$OUT_PATHS"])
    scene.service.settings = f'[[post_build_hooks]]\nname = "again"\ncommand = {command}\nro_bind = ["{flags}"]\n'
    scene.service.start()
    pull = opened(scene, {"pkgs/wave.nix": SLOW.replace("slow", f"w{mark}").replace("/bin/sleep 300", "echo")})
    scene.service.verdict(scene.place, pull.head_sha, "success")
    scene.service.wait(lambda: ("running",) in scene.service.ask("SELECT state FROM hook_execution"))
    scene.service.wait(lambda: sleeps(mark))
    scene.service.stop(signal.SIGKILL if killed else signal.SIGTERM)
    if not killed:
        assert scene.service.ask("SELECT state, reason FROM hook_execution") == [
            ("interrupted", "the server ended while it ran; it runs again")
        ]
    (flags / "go").touch()
    scene.service.start()
    scene.service.wait(lambda: ended(scene.service))
    assert not sleeps(mark)
    assert scene.service.ask("SELECT state, attempts, deaths FROM hook_execution") == [("succeeded", 2, int(killed))]
    assert scene.service.states().count("done") == 1, "the review is not made again for it"
