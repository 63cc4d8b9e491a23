"""What a branch would be once something is merged into it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ekaci_core.git import open_repository
from ekaci_core.git.merging import Conflicting, merged
from ekaci_core.model.errors import InfrastructureFault, UsageFault

pytestmark = pytest.mark.anyio


def parted(bench: Any, *, ours: str = "ours", theirs: str = "theirs") -> None:
    """Let main and topic each change a file since topic left."""
    bench.git("checkout", "--quiet", "-b", "topic")
    bench.commit(theirs, "theirs\n")
    bench.git("checkout", "--quiet", "main")
    bench.commit(ours, "ours\n")


async def test_a_merge_has_both_sides_and_both_parents_and_is_the_same_each_time(bench: Any) -> None:
    parted(bench)
    before = bench.refs()
    repository = await open_repository(bench.top)
    head, onto = [await repository.resolve(name) for name in ("topic", "main")]
    made = await merged(repository, head, onto)
    assert bench.git("ls-tree", "--name-only", made.tree).split() == ["file", "ours", "theirs"]
    assert bench.git("rev-parse", f"{made.commit}^1", f"{made.commit}^2").split() == [onto.commit, head.commit]
    assert bench.git("rev-parse", f"{made.commit}^{{tree}}") == made.tree
    assert made.label == "merge of topic into main"
    assert await merged(repository, head, onto) == made
    assert bench.refs() == before
    assert bench.git("status", "--porcelain") == ""


async def test_what_contains_the_base_is_its_own_merge(bench: Any) -> None:
    bench.git("checkout", "--quiet", "-b", "topic")
    bench.commit("topic")
    repository = await open_repository(bench.top)
    head, onto = [await repository.resolve(name) for name in ("topic", "main")]
    made = await merged(repository, head, onto)
    assert (made.commit, made.tree) == (head.commit, head.tree)


async def test_conflicts_are_named_with_their_files(bench: Any) -> None:
    parted(bench, ours="od d\u00e9", theirs="od d\u00e9")
    repository = await open_repository(bench.top)
    head, onto = [await repository.resolve(name) for name in ("topic", "main")]
    with pytest.raises(Conflicting) as raised:
        await merged(repository, head, onto)
    assert raised.value.files == ("od d\u00e9",)
    assert "topic cannot be merged into main" in raised.value.what
    assert "od d\u00e9" in raised.value.what
    assert "rebase" in str(raised.value.do)


async def test_histories_with_nothing_in_common_are_refused(bench: Any) -> None:
    bench.git("checkout", "--quiet", "--orphan", "other")
    bench.commit("other")
    repository = await open_repository(bench.top)
    head, onto = [await repository.resolve(name) for name in ("other", "main")]
    with pytest.raises(UsageFault, match="no commit in common"):
        await merged(repository, head, onto)


async def test_an_old_git_is_named(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parted(bench)
    repository = await open_repository(bench.top)
    head, onto = [await repository.resolve(name) for name in ("topic", "main")]
    real = bench.git("--exec-path")
    script = tmp_path / "bin/git"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\ncase " $* " in *" merge-tree "*) exit 129;; esac\nexec {real}/git "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    with pytest.raises(InfrastructureFault, match="cannot merge") as raised:
        await merged(repository, head, onto)
    assert "2.38" in str(raised.value.do)
