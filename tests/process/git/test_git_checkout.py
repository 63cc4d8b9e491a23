"""Checkouts: what they hold, and that they leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from ekaci_core.git import checkout, open_repository, prune_stale
from ekaci_core.git.checkout import GIT_LINK
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import TreeHash
from ekaci_core.model.repository import Revision

pytestmark = pytest.mark.anyio


def git(where: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=where, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def files(root: Path) -> list[str]:
    found = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_symlink() or path.is_file()]
    return sorted(path for path in found if path != ".git")


async def test_two_revisions_side_by_side(bench: Any, tmp_path: Path) -> None:
    bench.commit("ünï code/a b", "deep\n")
    (bench.top / "link").symlink_to("../outside")
    bench.write("script", "#!/bin/sh\n").chmod(0o755)
    bench.commit("file", "second\n")
    repository = await open_repository(bench.top)
    refs, status = bench.refs(), bench.git("status", "--short")
    base, head = await repository.resolve("HEAD~2"), await repository.resolve("HEAD")
    parent = tmp_path / "cache/checkouts"
    async with checkout(repository, base, parent) as old, checkout(repository, head, parent) as new:
        assert (old / "file").read_text() == "content\n"
        assert (new / "file").read_text() == "second\n"
        assert files(new) == ["file", "link", "script", "ünï code/a b"]
        assert (new / "link").readlink() == Path("../outside")
        assert os.access(new / "script", os.X_OK)
        assert old.name == new.name == "project"
        assert (old / ".git").read_text() == (new / ".git").read_text() == GIT_LINK
        assert git(new, "status", "--short") == ""
        assert git(new, "log", "--format=%H", "-1") == head.commit
        assert git(new, "rev-parse", "--show-toplevel") == str(new)
        assert bench.refs() == refs
    assert list(parent.iterdir()) == []
    assert (bench.refs(), bench.git("status", "--short")) == (refs, status)
    bench.git("fsck", "--strict")


async def test_uncommitted_changes_can_be_checked_out(bench: Any, tmp_path: Path) -> None:
    bench.write("file", "changed\n")
    bench.write("new", "new\n")
    repository = await open_repository(bench.top)
    revision = await repository.working_tree_revision()
    async with checkout(repository, revision, tmp_path / "out") as root:
        assert files(root) == ["file", "new"]
        assert (root / "file").read_text() == "changed\n"
        assert git(root, "status", "--short") == ""


async def test_no_hook_runs_and_no_filter_of_large_files(bench: Any, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        script = bench.write(f".git/hooks/{hook}", f"#!/bin/sh\necho {hook} >> {witness}\n")
        script.chmod(0o755)
    bench.write(".gitattributes", "*.bin filter=lfs\n*.txt eol=crlf\nsecret export-ignore\n")
    bench.write("secret", "kept\n")
    bench.write("lines.txt", "one\n")
    bench.commit("large.bin", "version https://git-lfs.github.com/spec/v1\n")
    assert witness.exists(), "git itself runs them"
    witness.unlink()
    bench.git("config", "filter.lfs.smudge", f"touch {witness}; cat")
    bench.git("config", "filter.lfs.process", f"touch {witness}; false")
    bench.git("config", "filter.lfs.required", "true")
    bench.git("config", "core.autocrlf", "true")
    repository = await open_repository(bench.top)
    async with checkout(repository, await repository.resolve("HEAD"), tmp_path / "out") as root:
        assert (root / "large.bin").read_bytes() == b"version https://git-lfs.github.com/spec/v1\n"
        assert (root / "lines.txt").read_bytes() == b"one\r\n"
        assert (root / "secret").read_bytes() == b"kept\n"
    assert not witness.exists()


async def test_a_sparse_working_tree_gives_a_full_checkout(bench: Any, tmp_path: Path) -> None:
    bench.commit("a/one")
    bench.commit("b/two")
    bench.git("sparse-checkout", "set", "a")
    assert not (bench.top / "b").exists()
    repository = await open_repository(bench.top)
    async with checkout(repository, await repository.resolve("HEAD"), tmp_path / "out") as root:
        assert files(root) == ["a/one", "b/two", "file"]
    revision = await repository.working_tree_revision()
    assert not revision.dirty


async def test_from_bare_shallow_linked_and_sha256(
    bench: Any, clone: Callable[..., Any], make_repository: Callable[..., Any], tmp_path: Path
) -> None:
    bench.commit("file", "second\n")
    modern = make_repository("modern", "--object-format=sha256")
    modern.commit()
    linked = tmp_path / "linked"
    bench.git("worktree", "add", "--quiet", "--detach", str(linked))
    shallow = clone("--depth=1")
    assert (await open_repository(shallow.top)).shallow
    bare = tmp_path / "bare.git"
    bench.git("clone", "--quiet", "--bare", str(bench.top), str(bare))
    for top, name in ((shallow.top, "clone"), (bare, "bare"), (linked, "linked"), (modern.top, "modern")):
        repository = await open_repository(top)
        revision = await repository.resolve("HEAD")
        async with checkout(repository, revision, tmp_path / "out") as root:
            assert root.name == name
            assert files(root) == ["file"]
            assert git(root, "status", "--short") == ""
            assert git(root, "log", "--format=%H").splitlines()[0] == revision.commit


async def test_submodules_stay_empty(bench: Any, make_repository: Callable[..., Any], tmp_path: Path) -> None:
    outer = make_repository("outer")
    outer.commit()
    outer.git("submodule", "--quiet", "add", bench.top.as_uri(), "inner")
    outer.commit("file", "second\n")
    outer.git("config", "submodule.recurse", "true")
    repository = await open_repository(outer.top)
    async with checkout(repository, await repository.resolve("HEAD"), tmp_path / "out") as root:
        assert files(root) == [".gitmodules", "file"]
        assert list((root / "inner").iterdir()) == []


async def test_names_that_nix_refuses_are_replaced(make_repository: Callable[..., Any], tmp_path: Path) -> None:
    bench = make_repository(".mein projekt (ü)")
    bench.commit()
    repository = await open_repository(bench.top)
    async with checkout(repository, await repository.resolve("HEAD"), tmp_path / "a b") as root:
        assert root.name == "mein-projekt-"
        assert files(root) == ["file"]


async def test_nothing_is_left_by_a_failure_or_a_cancellation(bench: Any, tmp_path: Path) -> None:
    repository = await open_repository(bench.top)
    head = await repository.resolve("HEAD")
    parent = tmp_path / "out"
    with pytest.raises(ZeroDivisionError):
        async with checkout(repository, head, parent):
            raise ZeroDivisionError
    with anyio.CancelScope() as scope:
        async with checkout(repository, head, parent):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with checkout(repository, head, parent):
            pytest.fail("cancelled before the files were written")
    missing = Revision(head.commit, TreeHash.parse("0" * 40), "missing")
    with pytest.raises(InfrastructureFault, match="read-tree"):
        async with checkout(repository, missing, parent):
            pytest.fail("there is no such tree")
    assert list(parent.iterdir()) == []


async def test_many_at_once(bench: Any, tmp_path: Path) -> None:
    repository = await open_repository(bench.top)
    head = await repository.resolve("HEAD")
    seen: list[Path] = []

    async def one() -> None:
        async with checkout(repository, head, tmp_path / "out") as root:
            seen.append(root)
            assert await prune_stale(tmp_path / "out") == 0
            assert files(root) == ["file"]

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(one)
    assert len(set(seen)) == 8
    assert list((tmp_path / "out").iterdir()) == []


async def test_a_parent_that_cannot_be_written(bench: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    repository = await open_repository(bench.top)
    with pytest.raises(InfrastructureFault, match="cannot be written"):
        async with checkout(repository, await repository.resolve("HEAD"), tmp_path / "file/below"):
            pytest.fail("there is no place for it")


HOLDER = """
import anyio, sys
from pathlib import Path
from ekaci_core.git import checkout, open_repository

async def main():
    repository = await open_repository(Path(sys.argv[1]))
    async with checkout(repository, await repository.resolve("HEAD"), Path(sys.argv[2])) as root:
        print(root, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@contextmanager
def holder(top: Path, parent: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run a process that holds a checkout."""
    argv = [sys.executable, "-c", HOLDER, str(top), str(parent)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


async def test_what_a_killed_process_left_is_pruned_and_nothing_else(bench: Any, tmp_path: Path) -> None:
    repository = await open_repository(bench.top)
    head = await repository.resolve("HEAD")
    parent = tmp_path / "out"
    assert await prune_stale(parent) == 0, "there is no such directory yet"
    with holder(bench.top, parent) as (killed, left):
        (parent / "somebody-elses").mkdir()
        async with checkout(repository, head, parent) as alive:
            assert await prune_stale(parent) == 0
            assert files(left) == ["file"]
            (parent / "checkout-without-lock").mkdir()
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            assert await prune_stale(parent) == 1
            assert files(alive) == ["file"]
    assert [path.name for path in parent.iterdir()] == ["somebody-elses"]
    assert bench.git("worktree", "prune", "--verbose", "--dry-run") == ""
