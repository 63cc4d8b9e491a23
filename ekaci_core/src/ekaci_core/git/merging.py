"""What a branch would be once something is merged into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from ekaci_core.git.command import FILES_SECONDS
from ekaci_core.git.repository import IDENTITY, Repository
from ekaci_core.model.errors import InfrastructureFault, UsageFault
from ekaci_core.model.ids import CommitSha, TreeHash
from ekaci_core.model.repository import Revision

_SHOWN: Final = 20
_CONFLICT: Final = 1
_UNKNOWN_OPTION: Final = 129


class Conflicting(UsageFault):
    """Two revisions cannot be merged: both change the same lines."""

    def __init__(self, head: Revision, onto: Revision, files: Sequence[str]) -> None:
        """Say where."""
        more = f" and {len(files) - _SHOWN:,} more" if len(files) > _SHOWN else ""
        named = f", in {', '.join(files[:_SHOWN])}{more}" if files else ""
        what = f"{head.label} cannot be merged into {onto.label} as it is now: they conflict{named}"
        super().__init__(what, do=f"merge {onto.label} into it, or rebase it, and push")
        self.files = tuple(files)


async def merged(repository: Repository, head: Revision, onto: Revision) -> Revision:
    """Merge ``head`` into ``onto``, as a commit that no ref names; the same two give the same one.

    It is made here rather than fetched: a forge's own is of whichever commits were the newest when it last looked, and
    not all forges have one.

    Raises:
        Conflicting: they conflict.
        UsageFault: they have nothing in common.
        InfrastructureFault: this git cannot merge without a working tree.
    """
    await repository.merge_base(onto, head)
    label = f"merge of {head.label} into {onto.label}"
    if await repository.is_ancestor(onto, head):
        return attrs.evolve(head, label=label)
    answer = await repository.git.ask(
        *("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", onto.commit, head.commit),
        seconds=FILES_SECONDS,
        accept=(0, _CONFLICT, _UNKNOWN_OPTION),
    )
    if answer.status == _UNKNOWN_OPTION:
        what = "this git cannot merge without a working tree"
        raise InfrastructureFault(what, where=str(repository.directory), do="install git 2.38 or newer")
    tree, *files = answer.records
    if answer.status == _CONFLICT:
        raise Conflicting(head, onto, list(dict.fromkeys(files)))
    parents = ("-p", onto.commit, "-p", head.commit)
    git = attrs.evolve(repository.git, variables=IDENTITY)
    made = await git.ask("commit-tree", TreeHash.parse(tree), *parents, "-m", label)
    return Revision(CommitSha.parse(made.text), TreeHash.parse(tree), label=label)
