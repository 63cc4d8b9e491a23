"""What operators name to be reviewed: a commit, or a directory of this machine."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import attrs

from ekaci_core.api import Branch, CommitSha, RepositoryId, UsageFault
from ekaci_core.config.discover import job_of_file
from ekaci_core.config.repository import CONFIG_FILES, find_repository_config
from ekaci_core.config.review import combine
from ekaci_core.git import Endpoints, Repository, open_repository
from ekaci_core.model.review import Occasion, ReviewWish
from ekaci_core.server.inputs import ReviewInputs


async def commit_endpoints(repository: Repository, head: CommitSha, base: CommitSha, *, label: str) -> Endpoints:
    """Compare a commit with where it left a branch; one that the branch has already, with its first parent.

    Raises:
        UsageFault: it has no parent, or nothing in common with the branch.
    """
    tip = attrs.evolve(await repository.resolve(head), label=f"commit {head.short}")
    onto = attrs.evolve(await repository.resolve(base), label=label)
    if not await repository.is_ancestor(tip, onto):
        return Endpoints(await repository.merge_base(onto, tip), tip)
    parent = await repository.find(f"{head}^")
    if parent is None:
        raise UsageFault(f"commit {head.short} has no parent to compare it with", do="name a later one")
    return Endpoints(attrs.evolve(parent, label=f"parent of {head.short}"), tip)


async def directory_wish(directory: Path, file: str | None, author: str) -> ReviewWish:
    """Wish for what a directory of this machine holds now, uncommitted changes included, to be evaluated and built.

    Args:
        directory: absolute; anywhere in a git repository.
        file: the name of a file in it that is evaluated instead of the configured jobs.
        author: who asks.

    Raises:
        UsageFault: it is in no repository that can be used, or there is no such file.
    """
    repository = await open_repository(directory)
    top = repository.top
    if top is None:
        raise UsageFault("a bare repository holds no files", where=str(directory), do="name a clone of it")
    named = "" if file is None else _in(top, directory / file)
    if await repository.is_dirty():
        revision = await repository.working_tree_revision()
    else:
        revision = await repository.resolve("HEAD")
    if named and await repository.read_file(revision, named) is None:
        raise UsageFault("git knows no such file", where=named, do="name a file that .gitignore does not leave out")
    return ReviewWish(
        repository=RepositoryId("", str(top).lstrip("/")),
        occasion=Occasion.DIRECTORY,
        number=None,
        base=Branch(named),
        base_sha=None,
        head_sha=await repository.commit_of(revision),
        ref=str(top),
        trusted=True,
        author=author,
    )


async def directory_inputs(wish: ReviewWish) -> ReviewInputs:
    """Read what `directory_wish` wished for. Nothing is there to compare it with: all of it is new.

    Raises:
        UsageFault: it is not there any more, or its configuration cannot be used.
    """
    repository = await open_repository(Path(wish.ref))
    revision = attrs.evolve(await repository.resolve(wish.head_sha), label=f"directory {wish.ref}")
    if wish.base:
        found = job_of_file(wish.base)
    else:
        config = await find_repository_config(partial(repository.read_file, revision))
        if config is None:
            what = f"there is no {CONFIG_FILES[0]}, so no job is configured"
            raise UsageFault(what, where=wish.ref, do="add one, or name a file with `ekaci job FILE`")
        found = config
    return ReviewInputs(repository, Endpoints(revision, revision), combine(None, found))


def _in(top: Path, path: Path) -> str:
    try:
        return str((path.parent.resolve() / path.name).relative_to(top.resolve()))
    except ValueError:
        raise UsageFault("this file is in no repository", where=str(path), do="name one of a git repository") from None
