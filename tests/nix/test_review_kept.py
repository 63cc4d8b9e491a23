"""What reviews keep of builds, and for how long."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import ReviewedRepository

pytestmark = pytest.mark.nix

LONG_AGO = 40 * 24 * 60 * 60


def logs(package_set: ReviewedRepository) -> set[Path]:
    return set((package_set.cache / "build-logs").glob("*/build.log"))


def outputs(package_set: ReviewedRepository, name: str) -> set[Path]:
    return set((package_set.cache / "gc-roots/outputs").glob(f"*-{name}"))


def log_of(package_set: ReviewedRepository, root: Path) -> str:
    return (package_set.cache / "build-logs" / root.name[:32] / "build.log").read_text()


def age(paths: Iterable[Path]) -> None:
    for path in paths:
        os.utime(path, (time.time() - LONG_AGO,) * 2)


def test_old_logs_go_but_those_that_the_report_names_and_new_ones(package_set: ReviewedRepository) -> None:
    named = {Path(each["log_path"]) for each in package_set.review("--format", "json").document["failures"]}
    written = logs(package_set)
    assert named < written
    newest = min(written - named)
    age(written - {newest})

    again = package_set.review("--format", "json")

    assert again.status == 1, again.stderr
    assert logs(package_set) == named | {newest}
    assert {Path(each["log_path"]) for each in again.document["failures"]} == named


def test_what_was_built_for_forgotten_evaluations_goes(package_set: ReviewedRepository) -> None:
    package_set.review()
    before, first = logs(package_set), outputs(package_set, "libcore-2.4")
    of_base = {root for root in first if "optimiser" not in log_of(package_set, root)}
    assert (len(first), len(of_base)) == (2, 1)
    with closing(sqlite3.connect(package_set.cache / "reviews.sqlite")) as connection, connection:
        for number in range(20):  # used so late that all others are to go
            connection.execute(
                "insert into evaluation (tree, job, file, attr_path, evaluator, source_name, options, gc_roots,"
                " started_at, finished_at, used_at) values ('', ?, '', '', '', '', '', '', 0, 0, 1e10)",
                [str(number)],
            )
    text = (package_set.path / "pkgs/libcore.nix").read_text()
    package_set.commit("Again", {"pkgs/libcore.nix": text.replace("optimiser", "and better optimiser")})

    again = package_set.review("--format", "json")

    assert again.status == 1, again.stderr
    second = outputs(package_set, "libcore-2.4")
    assert len(second) == 2
    assert second & first == of_base
    assert all(root.exists() for root in second)
    assert before - logs(package_set), "logs went too"
    assert {Path(each["log_path"]) for each in again.document["failures"]} <= logs(package_set)


def test_while_another_review_runs_nothing_is_removed(package_set: ReviewedRepository) -> None:
    package_set.review()
    written = logs(package_set)
    age(written)
    text = (package_set.path / "pkgs/libcore.nix").read_text()
    package_set.git("switch", "--quiet", "--create", "endless")
    endless = text.replace('echo "with the new optimiser"', "while :; do :; done")
    package_set.commit("Endless", {"pkgs/libcore.nix": endless})
    running = package_set.start("--head", "endless")
    assert running.stderr is not None
    for told in running.stderr:
        if told.startswith("building"):
            break
    try:
        assert package_set.review("--head", "pull-request").status == 1
        assert written <= logs(package_set)
    finally:
        os.killpg(running.pid, signal.SIGINT)
        running.communicate(timeout=20)
    assert package_set.review("--head", "pull-request").status == 1
    assert written - logs(package_set)


def test_logs_of_what_succeeds_are_compressed_and_the_command_finds_both_kinds(package_set: ReviewedRepository) -> None:
    text = (package_set.path / "pkgs/libcore.nix").read_text()
    told = 'echo "with the new optimiser"'
    assert told in text
    wordy = text.replace(told, f"at=0; while [ $at -lt 20000 ]; do echo wordy $((at += 1)); done; {told}")
    package_set.commit("Wordy", {"pkgs/libcore.nix": wordy})
    configuration = package_set.path.parent / "ekaci.toml"
    environment = {"EKA_CI_CONFIG_FILE": str(configuration)}
    configuration.write_text("[retention]\nlog_max_bytes = 1")
    refused = package_set.review(environment=environment)
    assert (refused.status, "retention.log_max_bytes: expected at least 65536" in refused.stderr) == (2, True)
    configuration.write_text("[retention]\nlog_max_bytes = 65536")
    report = package_set.review("--format", "json", environment=environment).document
    failed = [each for each in report["failures"] if each["log_path"]]
    assert failed
    for each in failed:
        assert each["log_path"].endswith("/build.log")
        assert package_set.logs(each["drv"]).stdout.splitlines()[-1:] == each["log_tail"][-1:]

    (sealed,) = (package_set.cache / "build-logs").glob("*/build.log.gz")

    assert [each.name for each in sealed.parent.iterdir()] == ["build.log.gz"]
    wordy_log = package_set.logs(sealed.parent.name).stdout
    assert "wordy 20000" in wordy_log.splitlines()
    assert " bytes of this log were left out here]" in wordy_log
    assert len(wordy_log) < 66_000
    assert package_set.logs(sealed.parent.name, "--lines", "2-2").stdout.count("\n") == 1
    assert f"ekaci logs {Path(failed[0]['drv']).name[:32]}" in package_set.review().stdout
