"""Opening repositories, and what is asked of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ekaci_core.git import open_repository
from ekaci_core.git.repository import FILE_LIMIT
from ekaci_core.model.errors import InfrastructureFault, UsageFault

pytestmark = pytest.mark.anyio


async def test_opens_from_a_directory_below_the_top(bench: Any) -> None:
    below = bench.top / "deep/er"
    below.mkdir(parents=True)
    repository = await open_repository(below)
    assert repository.top == bench.top
    assert repository.common_dir == bench.top / ".git"
    assert repository.source_name == "project"


async def test_a_directory_without_repository_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="not a git repository") as caught:
        await open_repository(tmp_path)
    assert caught.value.where == str(tmp_path)
    assert "git init" in str(caught.value.do)


async def test_a_path_that_is_missing_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, what in (("nowhere", "no such directory"), ("file", "not a directory")):
        with pytest.raises(UsageFault, match=what):
            await open_repository(tmp_path / name)


async def test_without_git_it_says_so(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InfrastructureFault, match="git"):
        await open_repository(bench.top)


async def test_a_bare_repository_has_commits_and_no_working_tree(bench: Any, clone: Callable[..., Any]) -> None:
    bare = await open_repository(clone("--bare").top)
    assert bare.top is None
    assert (await bare.resolve("main")).commit == bench.git("rev-parse", "main")
    assert not await bare.is_dirty()
    with pytest.raises(UsageFault, match="bare"):
        await bare.working_tree_revision()


async def test_a_linked_worktree_and_a_submodule_open(bench: Any, make_repository: Callable[..., Any]) -> None:
    linked = bench.top.parent / "linked"
    bench.git("worktree", "add", "--quiet", "-b", "topic", str(linked))
    repository = await open_repository(linked)
    assert (repository.top, repository.common_dir) == (linked, bench.top / ".git")

    outer = make_repository("outer")
    outer.commit()
    outer.git("submodule", "--quiet", "add", bench.top.as_uri(), "inner")
    inner = await open_repository(outer.top / "inner")
    assert inner.top == outer.top / "inner"
    assert (await inner.resolve("HEAD")).commit == bench.git("rev-parse", "main")


async def test_variables_of_a_surrounding_git_do_not_mislead(
    bench: Any, make_repository: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_repository("other")
    monkeypatch.setenv("GIT_DIR", str(other.top / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.top / "index"))
    assert (await open_repository(bench.top)).top == bench.top


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
async def test_a_repository_of_somebody_else_is_explained(bench: Any) -> None:
    for path in (bench.top, bench.top / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(UsageFault, match="belongs to another user") as caught:
        await open_repository(bench.top)
    assert f"safe.directory {bench.top}" in str(caught.value.do)


async def test_resolves_branches_tags_and_abbreviations(bench: Any) -> None:
    first = bench.git("rev-parse", "HEAD")
    bench.git("tag", "-a", "-m", "annotated", "v1")
    second = bench.commit("file", "more\n")
    repository = await open_repository(bench.top)
    for ref, commit in (("main", second), ("v1", first), ("HEAD~1", first), (second[:10], second), ("@", second)):
        revision = await repository.resolve(ref)
        assert (revision.commit, revision.label) == (commit, ref)
        assert revision.tree == bench.git("rev-parse", f"{commit}^{{tree}}")


async def test_an_unknown_ref_names_near_ones_and_git_fetch(bench: Any) -> None:
    bench.git("branch", "feature/zlib")
    repository = await open_repository(bench.top)
    with pytest.raises(UsageFault, match="'mian'") as caught:
        await repository.resolve("mian")
    assert caught.value.where == str(bench.top)
    assert "main" in str(caught.value.do)
    assert "git fetch" in str(caught.value.do)
    with pytest.raises(UsageFault) as caught:
        await repository.resolve("zlib")
    assert "feature/zlib" in str(caught.value.do)


@pytest.mark.parametrize("ref", ["--help", "-rf", "", "  ", "a\nHEAD", "main\0"])
async def test_what_cannot_be_a_ref_never_reaches_git(bench: Any, ref: str) -> None:
    repository = await open_repository(bench.top)
    with pytest.raises(UsageFault, match=r"option|empty|control"):
        await repository.resolve(ref)


async def test_a_blob_is_no_revision(bench: Any) -> None:
    repository = await open_repository(bench.top)
    assert await repository.find("HEAD:file") is None
    assert await repository.find("HEAD^{tree}") is None


async def test_the_default_branch_is_what_origin_says(bench: Any, clone: Callable[..., Any]) -> None:
    bench.git("branch", "--move", "trunk")
    copy = clone()
    copy.git("checkout", "--quiet", "-b", "main")
    repository = await open_repository(copy.top)
    assert await repository.default_branch() == "refs/remotes/origin/trunk"
    copy.git("remote", "set-head", "origin", "--delete")
    assert await repository.default_branch() == "refs/heads/main"
    copy.git("config", "init.defaultBranch", "trunk")
    assert await repository.default_branch() == "refs/remotes/origin/trunk"


async def test_a_dangling_origin_head_is_passed_over(bench: Any, clone: Callable[..., Any]) -> None:
    copy = clone()
    copy.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/gone")
    assert await (await open_repository(copy.top)).default_branch() == "refs/remotes/origin/main"
    assert await (await open_repository(bench.top)).default_branch() == "refs/heads/main"


async def test_no_default_branch(make_repository: Callable[..., Any]) -> None:
    bench = make_repository("odd", "--initial-branch=strange")
    bench.commit()
    assert await (await open_repository(bench.top)).default_branch() is None


async def test_histories_without_a_common_commit(bench: Any) -> None:
    bench.git("checkout", "--quiet", "--orphan", "island")
    bench.commit("other")
    repository = await open_repository(bench.top)
    base, head = await repository.resolve("main"), await repository.resolve("island")
    with pytest.raises(UsageFault, match="no commit in common"):
        await repository.merge_base(base, head)


async def test_a_shallow_clone_names_the_way_out(bench: Any, clone: Callable[..., Any]) -> None:
    bench.commit("file", "second\n")
    bench.git("checkout", "--quiet", "-b", "topic", "HEAD~1")
    bench.commit("other")
    copy = clone("--depth=1", "--no-single-branch", "--branch=topic")
    repository = await open_repository(copy.top)
    base, head = await repository.resolve("origin/main"), await repository.resolve("HEAD")
    with pytest.raises(UsageFault, match="shallow") as caught:
        await repository.merge_base(base, head)
    assert "--unshallow" in str(caught.value.do)
    assert "--deepen" in str(caught.value.do)
    with pytest.raises(UsageFault) as caught:
        await repository.resolve("HEAD~1")
    assert "--unshallow" in str(caught.value.do)


async def test_the_working_tree_is_recorded_without_a_trace(bench: Any) -> None:
    bench.commit(".gitignore", "*.log\n")
    bench.commit("gone", "x\n")
    repository = await open_repository(bench.top)
    assert not await repository.is_dirty()
    clean = await repository.working_tree_revision()
    assert (clean.dirty, clean.commit) == (False, bench.git("rev-parse", "HEAD"))

    bench.write("file", "changed\n")
    bench.write("grün/neu datei", "untracked\n")
    bench.write("noise.log", "ignored\n")
    (bench.top / "gone").unlink()
    (bench.top / "link").symlink_to("file")
    bench.write("staged", "staged\n")
    bench.git("add", "staged")
    index, refs, status = (bench.top / ".git/index").read_bytes(), bench.refs(), bench.git("status", "--short")

    assert await repository.is_dirty()
    revision = await repository.working_tree_revision()

    assert revision.dirty
    assert revision.commit == bench.git("rev-parse", "HEAD")
    names = bench.git("-c", "core.quotePath=false", "ls-tree", "-r", "--name-only", revision.tree).splitlines()
    assert names == [".gitignore", "file", "grün/neu datei", "link", "staged"]
    assert await repository.read_file(revision, "file") == b"changed\n"
    assert ((bench.top / ".git/index").read_bytes(), bench.refs(), bench.git("status", "--short")) == (
        index,
        refs,
        status,
    )
    assert await repository.commit_of(revision) == await repository.commit_of(revision)
    assert bench.git("rev-parse", f"{await repository.commit_of(revision)}^{{tree}}") == revision.tree
    assert bench.refs() == refs


async def test_a_working_tree_without_a_commit(make_repository: Callable[..., Any]) -> None:
    bench = make_repository("new")
    bench.write("file", "x")
    repository = await open_repository(bench.top)
    with pytest.raises(UsageFault, match="no commit yet"):
        await repository.working_tree_revision()


async def test_a_change_within_the_clocks_resolution_is_seen(bench: Any) -> None:
    """Git compares times by the second and tells such a change by the time of the index: a copy needs that too."""
    past = (1_600_000_000, 1_600_000_000)
    file = bench.write("file", "one\n")
    os.utime(file, past)
    bench.git("add", "--all")
    bench.git("commit", "--quiet", "--message", "one")
    bench.write("file", "two\n")
    os.utime(file, past)
    os.utime(bench.top / ".git/index", past)
    repository = await open_repository(bench.top)

    assert (await repository.working_tree_revision()).dirty


async def test_files_are_read_by_revision(bench: Any) -> None:
    bench.write("dir/empty", "")
    bench.write("large", "x" * (FILE_LIMIT + 1))
    bench.write("full", "x" * FILE_LIMIT)
    bench.write("star*", "star")
    (bench.top / "link").symlink_to("file")
    (bench.top / "linked").symlink_to("dir")
    bench.commit("[x]", "brackets")
    repository = await open_repository(bench.top)
    head = await repository.resolve("HEAD")
    for path, content in (("file", b"content\n"), ("dir/empty", b""), ("star*", b"star"), ("[x]", b"brackets")):
        assert await repository.read_file(head, path) == content
    assert len(await repository.read_file(head, "full") or b"") == FILE_LIMIT
    for path in ("dir", "nothing", "dir/nothing", "file/below", "*"):
        assert await repository.read_file(head, path) is None
    for path in ("link", "linked/empty"):
        with pytest.raises(UsageFault, match="symbolic link"):
            await repository.read_file(head, path)
    with pytest.raises(UsageFault, match="larger than"):
        await repository.read_file(head, "large")
    assert await repository.names_at_root(head) == {"file", "link", "linked", "large", "full", "star*", "[x]"}


async def test_a_broken_object_is_the_machines_fault(bench: Any) -> None:
    repository = await open_repository(bench.top)
    head = await repository.resolve("HEAD")
    blob = bench.git("rev-parse", "HEAD:file")
    loose = bench.top / ".git/objects" / blob[:2] / blob[2:]
    loose.unlink()
    with pytest.raises(InfrastructureFault) as caught:
        await repository.read_file(head, "file")
    assert "git fsck" in str(caught.value.do)


async def test_sha256_repositories_work(make_repository: Callable[..., Any]) -> None:
    bench = make_repository("modern", "--object-format=sha256")
    commit = bench.commit()
    revision = await (await open_repository(bench.top)).resolve("HEAD")
    assert (revision.commit, len(commit)) == (commit, 64)


async def test_a_hook_that_a_repository_brings_never_runs(bench: Any, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    monitor = bench.write("monitor.sh", f"#!/bin/sh\ntouch {witness}\n")
    monitor.chmod(0o755)
    bench.git("config", "core.fsmonitor", str(monitor))
    bench.git("status")
    assert witness.exists(), "git itself runs it"
    witness.unlink()
    repository = await open_repository(bench.top)
    assert await repository.is_dirty()
    await repository.working_tree_revision()
    assert not witness.exists()
