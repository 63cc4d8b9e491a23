"""Which revisions a review compares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ekaci_core.git import open_repository, review_endpoints
from ekaci_core.model.errors import UsageFault

pytestmark = pytest.mark.anyio


async def test_the_base_is_where_the_branch_left_the_default_branch(bench: Any) -> None:
    fork = bench.git("rev-parse", "HEAD")
    bench.git("checkout", "--quiet", "-b", "topic")
    tip = bench.commit("topic")
    bench.git("checkout", "--quiet", "main")
    bench.commit("elsewhere")
    bench.git("checkout", "--quiet", "topic")
    ends = await review_endpoints(await open_repository(bench.top))
    assert (ends.base.commit, ends.base.label) == (fork, "merge base with main")
    assert (ends.head.commit, ends.head.label) == (tip, "HEAD")
    assert ends.notes == ()


async def test_on_the_default_branch_there_is_nothing_to_review(bench: Any) -> None:
    repository = await open_repository(bench.top)
    with pytest.raises(UsageFault, match="nothing to review") as caught:
        await review_endpoints(repository)
    assert "--base HEAD~1" in str(caught.value.do)
    assert "--worktree" in str(caught.value.do)
    assert (await review_endpoints(repository, base="HEAD", head="main")).base.label == "HEAD"


async def test_a_named_base_is_taken_as_it_is_and_noted_when_it_moved_on(bench: Any) -> None:
    bench.git("checkout", "--quiet", "-b", "topic")
    bench.commit("topic")
    bench.git("checkout", "--quiet", "main")
    moved = bench.commit("elsewhere")
    ends = await review_endpoints(await open_repository(bench.top), base="main", head="topic")
    assert ends.base.commit == moved
    assert any("main is not an ancestor of topic" in note for note in ends.notes)


async def test_uncommitted_changes_are_noted_or_reviewed(bench: Any) -> None:
    bench.git("checkout", "--quiet", "-b", "topic")
    bench.commit("topic")
    bench.write("file", "changed\n")
    repository = await open_repository(bench.top)
    ends = await review_endpoints(repository)
    assert any("uncommitted changes" in note for note in ends.notes)
    assert not ends.head.dirty
    ends = await review_endpoints(repository, worktree=True)
    assert ends.head.dirty
    assert ends.notes == ()
    assert ends.base.commit == bench.git("rev-parse", "main")


async def test_the_working_tree_on_the_default_branch_is_compared_with_its_head(bench: Any) -> None:
    bench.write("file", "changed\n")
    ends = await review_endpoints(await open_repository(bench.top), worktree=True)
    assert ends.base.commit == ends.head.commit
    assert ends.base.tree != ends.head.tree


async def test_head_and_worktree_exclude_each_other(bench: Any) -> None:
    with pytest.raises(UsageFault, match="exclude each other"):
        await review_endpoints(await open_repository(bench.top), head="main", worktree=True)


async def test_faults_of_the_default(make_repository: Callable[..., Any]) -> None:
    strange = make_repository("strange", "--initial-branch=strange")
    repository = await open_repository(strange.top)
    with pytest.raises(UsageFault, match="no commit yet"):
        await review_endpoints(repository)
    strange.commit()
    with pytest.raises(UsageFault, match="no default branch") as caught:
        await review_endpoints(repository)
    assert "--base" in str(caught.value.do)
    strange.write("file", "changed\n")
    assert (await review_endpoints(repository, worktree=True)).head.dirty


async def test_submodules_are_noted(bench: Any, make_repository: Callable[..., Any]) -> None:
    outer = make_repository("outer")
    outer.commit()
    outer.git("submodule", "--quiet", "add", bench.top.as_uri(), "inner")
    outer.commit("file", "second\n")
    repository = await open_repository(outer.top)
    ends = await review_endpoints(repository, base="HEAD~1")
    assert any("submodules" in note for note in ends.notes)
    assert await repository.submodules(ends.head) == ("inner",)
    assert await repository.submodules(ends.base) == ()
