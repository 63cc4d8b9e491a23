"""Which two revisions a review compares."""

from __future__ import annotations

import attrs

from ekaci_core.git.names import short_ref
from ekaci_core.git.repository import Repository
from ekaci_core.model.errors import UsageFault
from ekaci_core.model.repository import Revision


@attrs.frozen
class Endpoints:
    """The two sides of a review. ``notes`` are sentences that a reader of the report should know."""

    base: Revision
    head: Revision
    notes: tuple[str, ...] = ()


async def review_endpoints(
    repository: Repository, *, base: str | None = None, head: str | None = None, worktree: bool = False
) -> Endpoints:
    """Choose base and head.

    Head is ``HEAD`` unless named; with ``worktree`` it is the working tree as it stands. Base is the merge base of
    head and the default branch unless named; a named base is taken as it is. A working tree without default branch is
    compared with its own ``HEAD``.

    Raises:
        UsageFault: a ref is unknown, no default branch can be found, base and head turn out to be the same commit
            without anybody having asked for it, or both ``head`` and ``worktree`` are given.
    """
    if worktree and head is not None:
        raise UsageFault("--head and --worktree exclude each other", do="give one of them")
    if worktree:
        tip = await repository.working_tree_revision()
    else:
        tip = await _head(repository, head)
    start = await repository.resolve(base) if base is not None else await _default_base(repository, tip)
    if base is None and start.tree == tip.tree and start.commit == tip.commit and not worktree:
        raise UsageFault(
            f"nothing to review: {tip.label} is {start.commit.short}, which the default branch has already",
            where=str(repository.directory),
            do="name an older commit with --base HEAD~1, or review uncommitted changes with --worktree",
        )
    return Endpoints(start, tip, await _notes(repository, start, tip, worktree=worktree, named=base))


async def _head(repository: Repository, head: str | None) -> Revision:
    if head is not None:
        return await repository.resolve(head)
    found = await repository.find("HEAD")
    if found is None:
        raise UsageFault("the repository has no commit yet", where=str(repository.directory), do="make a first commit")
    return found


async def _default_base(repository: Repository, tip: Revision) -> Revision:
    branch = await repository.default_branch()
    if branch is None and tip.dirty:
        return await repository.resolve("HEAD")
    if branch is None:
        shallow = ", or fetch the default branch: this clone is shallow" if repository.shallow else ""
        raise UsageFault(
            "no default branch found: neither origin/HEAD nor init.defaultBranch, main or master",
            where=str(repository.directory),
            do=f"name the base with --base{shallow}",
        )
    onto = attrs.evolve(await repository.resolve(branch), label=short_ref(branch))
    return await repository.merge_base(onto, tip)


async def _notes(
    repository: Repository, base: Revision, head: Revision, *, worktree: bool, named: str | None
) -> tuple[str, ...]:
    notes = []
    if not worktree and head.label == "HEAD" and await repository.is_dirty():
        notes.append("the working tree has uncommitted changes; they are not part of this review (see --worktree)")
    if named is not None and not await repository.is_ancestor(base, head):
        notes.append(
            f"{named} is not an ancestor of {head.label}: what {named} has gained since they parted shows as undone"
        )
    if await repository.submodules(head):
        notes.append("submodules are not checked out: their directories are empty on both sides")
    return tuple(notes)
