"""Whatever is wrong, `ekaci review` says what, where and what to do, and shows no traceback."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Finished, ReviewedRepository

pytestmark = pytest.mark.nix


def told(finished: Finished, status: int, *words: str) -> None:
    """Check that a fault was told in one line and a line of advice, with this exit status."""
    assert finished.status == status, finished.stderr
    lines = finished.stderr.splitlines()
    at = next((number for number, line in enumerate(lines) if line.startswith("ekaci: ")), None)
    assert at is not None, finished.stderr
    assert len(lines) > at + 1, "no advice"
    assert lines[at + 1].startswith("  ")
    assert "Traceback" not in finished.stderr
    for word in words:
        assert word in "\n".join(lines[at:]), finished.stderr


def program(folder: Path, name: str, script: str) -> Path:
    """Write an executable."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def nix_store(package_set: ReviewedRepository, *arguments: str) -> list[str]:
    """Run nix-store and return the lines it prints."""
    done = subprocess.run(
        ["nix-store", *arguments], env=dict(package_set.environment), check=True, capture_output=True, text=True
    )
    return done.stdout.splitlines()


def path_without(package_set: ReviewedRepository, folder: Path, *names: str) -> str:
    """Return a PATH with every program of the usual one but these."""
    folder.mkdir()
    for place in package_set.environment["PATH"].split(":"):
        for each in Path(place).iterdir() if Path(place).is_dir() else ():
            if each.name not in names and not (folder / each.name).exists():
                (folder / each.name).symlink_to(each)
    return str(folder)


def test_not_a_repository(package_set: ReviewedRepository, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    told(package_set.review(str(folder)), 2, str(folder), "not a git repository")


def test_no_such_folder(package_set: ReviewedRepository, tmp_path: Path) -> None:
    told(package_set.review(str(tmp_path / "nowhere")), 2, "nowhere")


@pytest.mark.parametrize("option", ["--base", "--head"])
def test_an_unknown_ref(package_set: ReviewedRepository, option: str) -> None:
    told(package_set.review(option, "pull-reqest"), 2, "pull-reqest", "pull-request")


def test_a_ref_that_looks_like_an_option(package_set: ReviewedRepository) -> None:
    told(package_set.review("--head=--upload-pack=x"), 2, "--upload-pack=x")


def test_standing_on_the_default_branch(package_set: ReviewedRepository) -> None:
    package_set.git("switch", "--quiet", "main")
    told(package_set.review(), 2, "nothing to review", "--worktree")


def test_a_dirty_worktree_is_reviewed_as_committed_with_a_note(package_set: ReviewedRepository) -> None:
    (package_set.path / "pkgs/lantern.nix").write_text("{ mkPackage }: throw 1")
    finished = package_set.review("--no-build")
    assert finished.status == 4
    assert "uncommitted changes" in finished.stdout


def test_a_shallow_clone_without_the_base(package_set: ReviewedRepository, tmp_path: Path) -> None:
    clone = tmp_path / "shallow"
    package_set.git("switch", "--quiet", "main")  # what a clone takes for the default branch
    options = ["--quiet", "--depth=1", "--no-single-branch", "--branch=pull-request"]
    subprocess.run(
        ["git", "clone", *options, f"file://{package_set.path}", str(clone)],
        env=dict(package_set.environment),
        check=True,
    )
    told(package_set.review(str(clone)), 2, "shallow", "--unshallow")


def test_without_nix(package_set: ReviewedRepository, tmp_path: Path) -> None:
    path = path_without(package_set, tmp_path / "bin", "nix", "nix-store", "nix-instantiate")
    told(package_set.review(environment={"PATH": path}), 3, "Nix is not installed", "nix-bin")


def test_a_nix_that_is_too_old(package_set: ReviewedRepository, tmp_path: Path) -> None:
    program(tmp_path / "bin", "nix", "echo 'nix (Nix) 2.3.16'")
    path = f"{tmp_path / 'bin'}:{package_set.environment['PATH']}"
    told(package_set.review(environment={"PATH": path}), 3, "2.3.16", "2.8")


def test_a_daemon_that_is_not_there(package_set: ReviewedRepository, tmp_path: Path) -> None:
    gone = {"NIX_REMOTE": "daemon", "NIX_DAEMON_SOCKET_PATH": str(tmp_path / "no-socket")}
    told(package_set.review(environment=gone), 3, "daemon")


def test_a_database_of_nix_that_is_none(package_set: ReviewedRepository, tmp_path: Path) -> None:
    (tmp_path / "state/db").mkdir(parents=True)
    (tmp_path / "state/db/db.sqlite").write_text("not a database")
    spoilt = {"NIX_STATE_DIR": str(tmp_path / "state")}
    told(package_set.review(environment=spoilt), 3, "not a database", "nix-store --verify")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", (".eka-ci/config.json", "line 1")),
        ('{"jobs": {"packages": {"file": 3}}}', ("jobs.packages.file", "string")),
        ('{"jobs": {"packages": {"file": "../default.nix"}}}', ("jobs.packages.file",)),
        ('{"jobs": {"packages": {"file": "default.nix", "allow_eval_failures": "no"}}}', ("allow_eval_failures",)),
        ('{"jobs": {"packages": {"file": "pkgs/none.nix"}}}', ("jobs.packages.file", "pkgs/none.nix")),
        ('{"jobs": {}}', ("no job",)),
    ],
)
def test_a_configuration_that_cannot_be_used(
    package_set: ReviewedRepository, config: str, words: tuple[str, ...]
) -> None:
    package_set.commit("Misconfigure", {".eka-ci/config.json": config})
    finished = package_set.review()
    if config == '{"jobs": {}}':  # head drops the job: that is named, not refused
        assert finished.status in (0, 1, 4)
        assert "packages" in finished.stdout
        return
    told(finished, 2, *words)


def test_an_unknown_key_is_a_warning_with_a_suggestion(package_set: ReviewedRepository) -> None:
    config = '{"jobs": {"packages": {"file": "default.nix", "allow-eval-failures": true}}}'
    package_set.commit("Misspell", {".eka-ci/config.json": config})
    finished = package_set.review("--no-build")
    assert finished.status == 4
    assert "allow-eval-failures" in finished.stdout
    assert "allow_eval_failures" in finished.stdout


def test_both_names_of_the_configuration(package_set: ReviewedRepository) -> None:
    other = '{"jobs": {"other": {"file": "nowhere.nix"}}}'
    package_set.commit("Two", {".ekaci/config.json": other})
    finished = package_set.review("--no-build")
    assert finished.status == 4
    assert ".ekaci/config.json is ignored" in finished.stdout


def test_a_job_file_that_leads_outside_by_a_symlink(package_set: ReviewedRepository, tmp_path: Path) -> None:
    outside = tmp_path / "outside.nix"
    outside.write_text("{ }")
    (package_set.path / "link.nix").symlink_to(outside)
    config = '{"jobs": {"packages": {"file": "link.nix"}}}'
    package_set.commit("Escape", {".eka-ci/config.json": config})
    told(package_set.review(), 2, "jobs.packages.file", "link.nix", "out of the repository")


def test_an_unknown_job(package_set: ReviewedRepository) -> None:
    told(package_set.review("--job", "package"), 2, "package", "did you mean packages")


def test_an_unknown_evaluator(package_set: ReviewedRepository) -> None:
    told(package_set.review("--evaluator", "nyx"), 2, "nyx", "nix")


def test_derivations_that_vanished_are_evaluated_again(package_set: ReviewedRepository) -> None:
    assert package_set.review("--no-build").status == 4
    with closing(sqlite3.connect(package_set.cache / "reviews.sqlite")) as connection:
        named = connection.execute("select path from derivation where path like '%-tool7-1.0'").fetchall()
    assert len(named) == 2
    drvs = [f"/nix/store/{name}.drv" for (name,) in named]
    # What keeps them alive goes with them.
    nix_store(package_set, "--delete", "--ignore-liveness", *nix_store(package_set, "-q", "--referrers-closure", *drvs))

    finished = package_set.review("--format", "json")

    assert finished.status == 1, finished.stderr
    assert any("vanished" in note for note in finished.document["notes"])


@contextmanager
def small_file_system(folder: Path) -> Iterator[None]:
    """Mount one of 64 kB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_no_space_left(package_set: ReviewedRepository, tmp_path: Path) -> None:
    with small_file_system(tmp_path / "small"):
        finished = package_set.review(environment={"XDG_CACHE_HOME": str(tmp_path / "small")})
    told(finished, 3, "space")


def test_no_space_left_for_logs(package_set: ReviewedRepository) -> None:
    text = (package_set.path / "pkgs/libcore.nix").read_text()
    endless = text.replace('echo "with the new optimiser"', "while :; do echo a line of some length; done")
    assert endless != text
    package_set.commit("Talk without end", {"pkgs/libcore.nix": endless})
    with small_file_system(package_set.cache / "build-logs"):
        finished = package_set.review("--format", "json", "--retry-pause", "0.1")
    assert finished.status == 3, finished.stderr
    assert finished.document["verdict"] == "wait"
    (said,) = finished.document["infrastructure"]
    assert "no space left for the build's log" in said
    assert any("given up after 4 attempts" in note for note in finished.document["notes"])
    assert str(package_set.cache / "build-logs") in said
    assert finished.document["failures"] == []


def test_a_cache_that_cannot_be_written(package_set: ReviewedRepository, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told(package_set.review(environment={"XDG_CACHE_HOME": str(tmp_path / "file")}), 3, "XDG_CACHE_HOME")


def test_a_database_of_a_newer_version(package_set: ReviewedRepository) -> None:
    assert package_set.review("--no-build").status == 4
    database = package_set.cache / "reviews.sqlite"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("insert into migration values (9999, 'from the future', 'x')")
    told(package_set.review(), 3, str(database), "schema 9999", "newer")


def test_a_report_that_cannot_be_written(package_set: ReviewedRepository, tmp_path: Path) -> None:
    finished = package_set.review("--no-build", "--output", str(tmp_path / "no" / "report"))
    told(finished, 2, "report", "--output")
    assert "evaluating" not in finished.stderr


def test_an_expression_that_does_not_parse(package_set: ReviewedRepository) -> None:
    package_set.commit("Break everything", {"default.nix": "{ system ? builtins.currentSystem }: {"})
    finished = package_set.review("--format", "json")
    assert finished.status == 1, finished.stderr
    assert any("syntax error" in each["message"] for each in finished.document["evaluation_errors"])


def test_a_builder_killed_for_memory_is_not_the_changes_fault(package_set: ReviewedRepository) -> None:
    text = (package_set.path / "pkgs/sunrise.nix").read_text()
    killed = text.replace("inputs = [ libcore ];", "inputs = [ libcore ];\n  build = ''\n    kill -9 $$\n  '';")
    assert killed != text
    package_set.git("switch", "--quiet", "--create", "killed", "main")
    package_set.commit("Kill", {"pkgs/sunrise.nix": killed.replace("maintainers = [ maintainers.grace ];", "")})
    finished = package_set.review("--format", "json", "--retry-pause", "0.1")
    assert finished.status == 3, finished.stdout
    assert finished.document["verdict"] == "wait"
    said = "ProcessDeath, builder was killed (signal 9) (given up after 4 attempts)"
    assert [note for note in finished.document["notes"] if note.endswith(said)]


def test_git_itself_is_missing(package_set: ReviewedRepository, tmp_path: Path) -> None:
    path = path_without(package_set, tmp_path / "bin", "git")
    assert shutil.which("git", path=path) is None
    told(package_set.review(environment={"PATH": path}), 3, "git")
