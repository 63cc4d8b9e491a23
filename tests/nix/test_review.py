"""`ekaci review` from end to end, on a real repository with real Nix."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from ekaci_core.server.checkouts import SHARED_MEMORY

if TYPE_CHECKING:
    from .conftest import ReviewedRepository

pytestmark = pytest.mark.nix

SCHEMA = Path(__file__).parents[2] / "docs/reference/schemas/report.schema.json"

STANDINGS = {
    "atlas": None,  # another licence, the same derivation
    "kettle": "newly failing",
    "libcore": "still succeeding",
    "moth": "removed",
    "ripple": "succeeding, base unknown",
    "rusty": "still failing",
    "sunrise": "added, succeeding",
    "teapot": "newly failing",
    "tools.tool7": "succeeding, base unknown",
}


def standings(document: dict[str, Any]) -> dict[str, str]:
    return {each["attr"]: each["standing"] for each in document["attributes"]}


def test_the_verdict_says_what_the_pull_request_does(package_set: ReviewedRepository) -> None:
    finished = package_set.review("--format", "json")
    document = finished.document

    assert finished.status == 1, finished.stderr
    assert document["verdict"] == "do_not_merge"
    assert document["counts"] == document["counts"] | {
        "added": 1,
        "removed": 1,
        "changed": 25,
        "errors_base": 2,  # `abandoned`, and the mark `tools.recurseForDerivations`
        "errors_head": 2,
        "new_errors": 0,
        "fixed_errors": 0,
    }
    found = standings(document)
    assert {attr: found.get(attr) for attr in STANDINGS} == STANDINGS
    assert "lantern" not in found
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))


def test_failures_name_the_derivation_the_log_and_the_command(package_set: ReviewedRepository) -> None:
    document = package_set.review("--format", "json").document

    failures = {each["drv"].partition("-")[2]: each for each in document["failures"]}
    kettle = failures["kettle-3.1.drv"]
    assert kettle["attrs"] == ["kettle", "teapot"]
    assert "kettle: error: water is 104 degrees, expected at most 100" in kettle["log_tail"]
    again = subprocess.run(
        shlex.split(kettle["reproduce"]), env=dict(package_set.environment), capture_output=True, text=True, check=False
    )
    assert again.returncode != 0
    assert "water is 104 degrees" in again.stderr
    assert failures["rusty-0.9.drv"]["on_base_too"] is True


def test_the_text_is_for_people(package_set: ReviewedRepository) -> None:
    finished = package_set.review()

    lines = finished.stdout.splitlines()
    assert "DO NOT MERGE" in lines[0]
    assert lines[-1].startswith("✗ do not merge")
    text = finished.stdout
    for said in ("1.4.0 → 1.5.0", "sunrise", "moth", "MIT → GPL-3.0-only", "libcore", "nix-store --realise"):
        assert said in text, said
    assert "\x1b" not in text


def test_a_second_review_builds_nothing_and_says_the_same(package_set: ReviewedRepository) -> None:
    first = package_set.review("--format", "json").document
    second = package_set.review("--format", "json").document

    assert first["built"] > 20
    assert second["built"] == 0
    for document in (first, second):
        del document["timings"], document["built"]
    assert second == first


def test_without_building_the_answer_is_wait(package_set: ReviewedRepository) -> None:
    finished = package_set.review("--no-build", "--format", "json")

    assert finished.status == 4
    assert finished.document["verdict"] == "wait"
    assert set(standings(finished.document).values()) == {"not known yet", "removed"}


def test_without_attribution_nobody_is_blamed(package_set: ReviewedRepository) -> None:
    document = package_set.review("--no-attribution", "--format", "json").document

    found = standings(document)
    assert found["kettle"] == found["rusty"] == "failing, base unknown"
    assert document["verdict"] == "wait"


def test_what_is_not_committed_can_be_reviewed(package_set: ReviewedRepository) -> None:
    package_set.git("switch", "--quiet", "main")
    lantern = package_set.path / "pkgs/lantern.nix"
    lantern.write_text(lantern.read_text().replace("1.0", "1.1"))
    (package_set.path / "pkgs/candle.nix").write_text('{ mkPackage }: mkPackage { pname = "candle"; version = "1"; }\n')
    before = package_set.git("status", "--porcelain")

    finished = package_set.review("--worktree", "--format", "json")

    assert finished.status == 0, finished.stderr
    changes = {each["attr"]: each["change"] for each in finished.document["attributes"]}
    assert changes == {"lantern": "changed", "candle": "added"}
    assert package_set.git("status", "--porcelain") == before


def test_an_attribute_that_fails_to_evaluate_newly_is_in_the_way(package_set: ReviewedRepository) -> None:
    package_set.git("switch", "--quiet", "--create", "broken", "main")
    package_set.commit("Break", {"pkgs/lantern.nix": "{ mkPackage }: mkPackage { pname = noSuchThing; }\n"})

    finished = package_set.review("--format", "json")

    # An undefined variable is found when the file is parsed; it costs that file's attribute only.
    assert finished.status == 1
    errors = {each["attr"]: each["status"] for each in finished.document["evaluation_errors"]}
    assert errors["lantern"] == "new"
    assert errors["abandoned"] == "known"


def test_a_new_set_of_packages_is_no_error(package_set: ReviewedRepository) -> None:
    package_set.git("switch", "--quiet", "--create", "more", "main")
    more = '{ mkPackage }: { one = mkPackage { pname = "one"; version = "1"; }; recurseForDerivations = true; }\n'
    package_set.commit("A set", {"pkgs/more.nix": more})

    finished = package_set.review("--format", "json")

    assert finished.status == 0, finished.stdout
    assert finished.document["counts"]["new_errors"] == 0
    assert standings(finished.document) == {"more.one": "added, succeeding"}


def test_evaluation_errors_may_be_allowed_by_the_base_only(package_set: ReviewedRepository) -> None:
    config = '{"jobs": {"packages": {"file": "default.nix", "allow_eval_failures": true}}}'
    broken = {"pkgs/lantern.nix": '{ mkPackage }: throw "no light"\n'}
    package_set.git("switch", "--quiet", "--create", "by-head", "main")
    package_set.commit("Allow oneself", {".eka-ci/config.json": config, **broken})
    assert package_set.review("--format", "json").status == 1

    package_set.git("switch", "--quiet", "main")
    package_set.commit("Allow", {".eka-ci/config.json": config})
    package_set.git("switch", "--quiet", "--create", "by-base")
    package_set.commit("Break", broken)
    assert package_set.review("--format", "json").status == 0


def test_a_dropped_job_is_named(package_set: ReviewedRepository) -> None:
    package_set.git("switch", "--quiet", "--create", "dropping", "main")
    config = '{"jobs": {"light": {"file": "/default.nix", "attr_path": "lantern"}}}'
    package_set.commit("Another job", {".eka-ci/config.json": config})

    document = package_set.review("--format", "json").document

    assert any("packages" in reason for reason in reasons(document))
    assert document["attention"] is True


def reasons(document: dict[str, Any]) -> list[str]:
    return [each["text"] if isinstance(each, dict) else each for each in document["reasons"]]


@pytest.mark.parametrize(
    "stage",
    ["reading the repository", "evaluating", "comparing", "building", "[1/", "[9/", "judging"],
)
def test_killed_at_any_stage_the_next_review_goes_on(package_set: ReviewedRepository, stage: str) -> None:
    killed = package_set.review_killed_at(stage, "--format", "json", "-j", "2")
    assert killed.status == -signal.SIGKILL, killed.stderr

    finished = package_set.review("--format", "json")

    assert finished.status == 1, finished.stderr
    found = standings(finished.document)
    assert {attr: found.get(attr) for attr in STANDINGS} == STANDINGS
    assert Counter(found.values())["newly failing"] == 2
    assert checkouts_of(package_set) == []
    assert package_set.git("worktree", "list", "--porcelain").count("worktree ") == 1


def checkouts_of(repository: ReviewedRepository) -> list[Path]:
    """Find what reviews left of their checkouts, on disk and in memory, where other repositories have theirs."""
    on_disk = list((repository.cache / "worktrees").iterdir())
    alternates = (SHARED_MEMORY / f"ekaci-{os.geteuid()}").glob("checkout-*/git/objects/info/alternates")
    in_memory = []
    for file in alternates:
        with suppress(OSError):  # another review ended meanwhile
            if file.read_text().startswith(f"{repository.path}/"):
                in_memory.append(file)
    return on_disk + in_memory


def running_commands() -> list[str]:
    """Return the command lines of all processes, from /proc: minimal systems have no ``ps``."""
    commands = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):  # it may have ended meanwhile
                commands.append((entry / "cmdline").read_text(errors="replace").replace("\0", " "))
    return commands


ENDLESS_BUILD = {"pkgs/libcore.nix": ('echo "with the new optimiser"', "while :; do :; done")}
ENDLESS_OUTPUT = {"pkgs/libcore.nix": ('echo "with the new optimiser"', "while :; do echo many lines; done")}
ENDLESS_EVALUATION = {
    "pkgs/sunrise.nix": ('version = "0.1"', "version = let f = n: if n < 2 then 1 else f (n - 1) + f (n - 2); in f 90")
}


@pytest.mark.parametrize(
    ("stage", "endless"),
    [("evaluating", ENDLESS_EVALUATION), ("building", ENDLESS_BUILD), ("building", ENDLESS_OUTPUT)],
    ids=["evaluation", "build", "output"],
)
def test_ctrl_c_stops_everything_and_the_next_review_goes_on(
    package_set: ReviewedRepository, stage: str, endless: dict[str, tuple[str, str]]
) -> None:
    for name, (was, now) in endless.items():
        text = (package_set.path / name).read_text()
        assert was in text
        package_set.commit("Endless", {name: text.replace(was, now)})
    process = package_set.start()
    assert process.stderr is not None
    for told in process.stderr:
        if told.startswith(stage):
            break
    time.sleep(1)  # into the stage, which has no end
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=20)  # less than a build that is stuck is given

    assert process.returncode == 130, rest
    assert "next review continues" in rest
    assert "Traceback" not in rest
    assert checkouts_of(package_set) == []
    mine = str(package_set.path.parent)  # the checkout, the logs and the roots are all below it
    salt = (package_set.path / "lib.nix").read_text().partition('echo "building $name ')[2].partition('"')[0]
    assert salt
    assert not [command for command in running_commands() if salt in command or mine in command]


def test_two_reviews_at_once_agree(package_set: ReviewedRepository) -> None:
    processes = [package_set.start("--format", "json") for _ in range(2)]
    ended = [process.communicate(timeout=100) for process in processes]

    assert [process.returncode for process in processes] == [1, 1], ended
    documents = [json.loads(stdout) for stdout, _ in ended]
    assert standings(documents[0]) == standings(documents[1])
    assert {attr: standings(documents[0]).get(attr) for attr in STANDINGS} == STANDINGS
