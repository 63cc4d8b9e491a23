"""Changes that cannot be reviewed as they are, and those of people who are not trusted."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from tests.endtoend.service import VERDICT, Scene, package_set
from tests.standins.github.git import Bare

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

CONFIG = ".eka-ci/config.json"


@pytest.mark.parametrize("content", [None, Path("/etc/passwd"), Path("job.nix")])
def test_a_job_whose_file_cannot_be_used_is_the_fault_of_the_change(scene: Scene, content: Path | None) -> None:
    scene.service.start()
    changed = {CONFIG: json.dumps({"jobs": {"packages": {"file": "job.nix"}}}), "job.nix": content}
    scene.people.push(scene.place, {name: text for name, text in changed.items() if text is not None}, branch="job")
    pull = scene.people.open_pull(scene.place, "job", author="ada")
    run = scene.service.verdict(scene.place, pull.head_sha, "failure")
    assert "job.nix" in (run.summary or "")
    scene.service.wait(lambda: scene.service.checks(scene.place, pull.head_sha)["EkaCI: Configure"].writes > 0)
    assert "root:" not in scene.service.shown()
    assert scene.service.states() == ["done"]


def test_a_base_whose_job_file_leads_away_is_no_fault_of_the_change(scene: Scene) -> None:
    scene.people.push(
        scene.place,
        {CONFIG: json.dumps({"jobs": {"packages": {"file": "job.nix"}}}), "job.nix": Path("/etc/passwd")},
        branch="main",
    )
    scene.service.start()
    scene.people.push(scene.place, {"job.nix": "import ./default.nix\n"}, branch="job")
    pull = scene.people.open_pull(scene.place, "job", author="ada")
    scene.service.verdict(scene.place, pull.head_sha, "failure")  # one package of the examples cannot be evaluated
    scene.service.wait(lambda: "EkaCI: Change Summary" in scene.service.checks(scene.place, pull.head_sha))
    summary = scene.service.checks(scene.place, pull.head_sha)["EkaCI: Change Summary"].summary or ""
    assert "every attribute of packages is new" in summary


def test_histories_without_a_common_commit_cannot_be_compared(scene: Scene) -> None:
    scene.service.start()
    Bare(scene.place.folder).commit("orphan", package_set(), message="another beginning", parent=None)
    pull = scene.people.open_pull(scene.place, "orphan", author="ada")
    run = scene.service.verdict(scene.place, pull.head_sha, "failure")
    assert "no commit in common" in (run.summary or "")
    assert str(scene.service.folder) not in (run.summary or "")


def test_what_cannot_be_fetched_yet_is_waited_for(scene: Scene) -> None:
    scene.service.start()
    bare = Bare(scene.place.folder)
    bare("branch", "release", "main")
    scene.people.push(scene.place, {"README.md": "words\n"}, branch="words")
    pull = scene.people.open_pull(scene.place, "words", author="ada", base="release")
    bare("branch", "-D", "release")
    scene.service.wait(lambda: scene.service.states() == ["fault"])
    scene.service.wait(lambda: VERDICT in scene.service.checks(scene.place, pull.head_sha))
    assert scene.service.checks(scene.place, pull.head_sha)[VERDICT].status != "completed"


def test_the_evaluation_of_a_stranger_reads_and_builds_nothing_of_the_machine(scene: Scene) -> None:
    secret, sign = scene.service.folder / "secret", scene.service.folder / "was-built"
    secret.write_text("canary-of-the-machine")
    needed = f"""{{ mkPackage }}: mkPackage {{
      pname = "needs"; version = builtins.readFile (derivation {{
        name = "needed-{uuid.uuid4().hex}"; system = builtins.currentSystem; builder = "/bin/sh";
        args = [ "-c" "echo > {sign}; echo -n 1 > $out" ];
      }});
    }}"""
    reads = f"{{ mkPackage }}: throw (builtins.readFile {secret})\n"
    fork = scene.github.world.fork(scene.place, "mallory")
    scene.people.push(fork, {"pkgs/needs.nix": needed, "pkgs/reads.nix": reads}, branch="theirs")
    scene.service.start()
    pull = scene.people.open_pull(scene.place, "theirs", author="mallory", source=fork)
    verdict = scene.service.verdict(scene.place, pull.head_sha, "action_required")
    assert (verdict.title or "").startswith("Wait: 2 attributes need import from derivation, or reading this machine")
    assert (verdict.title or "").endswith("without write access: needs, reads")
    check = scene.service.checks(scene.place, pull.head_sha)["EkaCI: Evaluate Job (packages)"]
    assert (check.title or "", check.conclusion) == ("28 packages, 2 new evaluation errors", "action_required")
    assert not sign.exists()
    for run in scene.place.checks.values():
        assert "canary-of-the-machine" not in f"{run.title} {run.summary} {run.text}"


def test_what_a_stranger_wants_built_waits_where_nix_has_no_sandbox(scene: Scene) -> None:
    fork = scene.github.world.fork(scene.place, "mallory")
    text = '{ mkPackage }: mkPackage { pname = "theirs"; version = "1"; }\n'
    scene.people.push(fork, {"pkgs/theirs.nix": text}, branch="theirs")
    scene.service.start()
    pull = scene.people.open_pull(scene.place, "theirs", author="mallory", source=fork)
    run = scene.service.verdict(scene.place, pull.head_sha, "action_required")
    assert "sandbox" in (run.summary or "")
    assert not scene.service.built()
