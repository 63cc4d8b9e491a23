"""Answers of commands that start work: each says what was begun, and not how it ends."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import anyio.abc
import attrs

from ekaci_core.api import (
    Branch,
    CommitSha,
    DrvPath,
    EkaciError,
    Person,
    PullRequestAction,
    PullRequestChanged,
    PullRequestState,
    RepositoryId,
    UsageFault,
)
from ekaci_core.git.mirror import RemoteRefs
from ekaci_core.intake.command import AskReview
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish
from ekaci_core.scheduler.wishes import Share
from ekaci_core.server import socket_requests as asked
from ekaci_core.server.composing import Services
from ekaci_core.server.known import named_derivation, take_in
from ekaci_core.server.named_revisions import directory_wish
from ekaci_core.server.socket_documents import review_document
from ekaci_core.server.socket_naming import row, serving
from ekaci_core.store.review import ReviewId, ReviewRecord

_HEADS: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"
_WHOLE: Final = (40, 64)
_ROUNDS: Final = 5
"""How often a build is begun that faults of the machine keep from ending."""


@attrs.define(eq=False)
class Starting:
    """Asks for reviews, and keeps the builds that were asked for going; those end with the server."""

    _services: Services
    _tasks: anyio.abc.TaskGroup
    _numbers: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1), init=False)
    _building: Counter[DrvPath] = attrs.field(factory=Counter, init=False)

    def is_building(self, drv: DrvPath) -> bool:
        """Whether somebody who asked here waits for it."""
        return self._building[drv] > 0

    async def github(self, request: asked.GitHub, person: str) -> Mapping[str, Any]:
        """Review a pull request as the forge has it now, as if it had just told of it."""
        services = self._services
        repository = RepositoryId.parse(request.domain, f"{request.owner}/{request.repo}")
        at = serving(services.forges, repository)
        number = row(request.pr, "pull request")
        pull = await at.forge.pull_request(repository, number)
        if pull is None:
            raise UsageFault("there is no such pull request", where=f"{repository}#{number}")
        event = PullRequestChanged(PullRequestAction.SYNCHRONIZED, pull, Person(person, 0))
        done = await services.intake.follow(event, at)
        if pull.state is not PullRequestState.OPEN:
            raise UsageFault(f"it is {pull.state.value}, so nothing is reviewed", where=f"{repository}#{number}")
        found = await services.store.reviews_of(repository, number=number, limit=1)
        if not found or found[0].wish.head_sha != pull.head_sha:
            raise UsageFault("; ".join(done), where=f"{repository}#{number}")
        return await self._asked(found[0].id, again=request.again)

    async def git(self, request: asked.Git, person: str) -> Mapping[str, Any]:
        """Review a commit of a repository at a forge against its default branch, or against its parent."""
        services = self._services
        repository = RepositoryId.parse(request.domain, f"{request.owner}/{request.repo}")
        forge = serving(services.forges, repository).forge
        refs = await services.parts.mirrors.refs(repository, await forge.clone_access(repository))
        ref, sha = find_commit(refs, request.commitish, str(repository))
        wish = ReviewWish(
            repository=repository,
            occasion=Occasion.COMMIT,
            number=None,
            base=Branch.parse(refs.default),
            base_sha=None,
            head_sha=sha,
            ref=ref,
            # Forges give out commits of forks, of whom anybody may be the author, by name as well.
            trusted=refs.commits[ref] == sha,
            author=person,
        )
        return await self._wished(wish, again=request.again)

    async def repo(self, request: asked.Repo, person: str) -> Mapping[str, Any]:
        """Evaluate and build the configured jobs of a directory."""
        wish = await directory_wish(_absolute(request.dir), None, person)
        return await self._wished(wish, again=request.again)

    async def job(self, request: asked.Job, person: str) -> Mapping[str, Any]:
        """Evaluate and build one file."""
        file = _absolute(request.file)
        return await self._wished(await directory_wish(file.parent, file.name, person), again=request.again)

    async def build(self, request: asked.Build, person: str) -> Mapping[str, Any]:
        """Build a derivation and all it needs."""
        services = self._services
        drv = await named_derivation(services.store, request.drv_path)
        await take_in(services.store, drv)
        forget = await self._closure(drv) if request.rebuild_all else [drv] if request.force else []
        share = Share(f"{person}#{next(self._numbers)}")
        services.log.info("build_asked", derivation=drv, by=person, forget=len(forget))
        await self._tasks.start(self._build, share, drv, forget, name=f"build {drv.name}")
        return {"drv_path": drv}

    async def _build(
        self, share: Share, drv: DrvPath, forget: Collection[DrvPath], *, task_status: anyio.abc.TaskStatus[None]
    ) -> None:
        """Build it; after a fault of the machine again, some times."""
        begun = False

        def queued() -> None:
            nonlocal begun
            if not begun:
                begun = True
                task_status.started()

        self._building[drv] += 1
        try:
            for _ in range(_ROUNDS):
                await self._services.builds.build_one(share, drv, forget=forget, queued=queued)
                build = (await self._services.store.builds([drv])).get(drv)
                if build is None or build.state.is_terminal:
                    return
                forget = ()
        except EkaciError as fault:
            if not begun:
                raise
            self._services.log.warning("build_failed", derivation=drv, reason=str(fault))
        finally:
            self._building[drv] -= 1

    async def _closure(self, drv: DrvPath) -> list[DrvPath]:
        store = self._services.store
        number = (await store.derivation_ids([drv]))[drv]
        keys = (await store.closure([number])).keys
        return [each.path for each in (await store.derivations(keys)).values()]  # type: ignore[arg-type]

    async def _wished(self, wish: ReviewWish, *, again: bool) -> Mapping[str, Any]:
        services = self._services
        await services.intake.commands.carry_out([AskReview(wish, ReviewState.QUEUED)])
        found = await services.store.reviews_of(wish.repository, sha=wish.head_sha)
        same = (wish.occasion, wish.base)
        (record,) = [each for each in found if (each.wish.occasion, each.wish.base) == same]
        return await self._asked(record.id, again=again)

    async def _asked(self, review: ReviewId, *, again: bool) -> Mapping[str, Any]:
        services = self._services
        if again and await services.store.ask_review_again(review, now=services.clock.now()):
            services.reviewing.wake()
        record: ReviewRecord | None = await services.store.review(review)
        if record is None:
            raise UsageFault(f"review {review} is gone")
        return review_document(record)


def find_commit(refs: RemoteRefs, name: str, where: str) -> tuple[str, CommitSha]:
    """Find what a name stands for: a branch, a tag, a full ref, or a commit, which is fetched by itself."""
    for ref in (f"{_HEADS}{name}", f"{_TAGS}{name}", name):
        if ref in refs.commits:
            return ref, refs.commits[ref]
    if len(name) in _WHOLE:
        sha = CommitSha.parse(name)
        return next((ref for ref, tip in refs.commits.items() if tip == sha), refs.default), sha
    raise UsageFault(
        f"there is no branch or tag {name[:100]!r}", where=where, do="name one, or a commit by its whole name"
    )


def _absolute(path: str) -> Path:
    if not path.startswith("/") or "\0" in path:
        raise UsageFault("this is no absolute path", where=path[:200].replace("\0", ""))
    return Path(path)
