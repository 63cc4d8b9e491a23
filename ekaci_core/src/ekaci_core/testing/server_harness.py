"""A server without HTTP: a forge that does as it is told, and all behind it real: git, Nix, store, scheduler."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import attrs

from ekaci_core.api import Branch, Check, CommitSha, PluginContext, RepositoryId
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.bus import Broadcast, Wakeup
from ekaci_core.delivery import Auditing, NixPaths, Offering, OpenCache, Pushing, PushParts
from ekaci_core.delivery.hooks import HookAudit, HookRules, HookWishes
from ekaci_core.git.mirror import Mirrors
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.nix.environment import nix_environment as given_to_nix
from ekaci_core.nix.versions import probe
from ekaci_core.registry import Instances, load_registry
from ekaci_core.registry.guarded_forge import GuardedForge
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.reporting.publishing import Publisher
from ekaci_core.scheduler import Scheduler
from ekaci_core.server.checkouts import CheckoutFolders
from ekaci_core.server.clock import SystemClock
from ekaci_core.server.forges import Forges
from ekaci_core.server.options import ReviewOptions
from ekaci_core.server.review_parts import ReviewLimits, ReviewParts
from ekaci_core.server.reviewing import Reviewing
from ekaci_core.server.shared_builds import SharedBuilds
from ekaci_core.store import Store, open_store
from ekaci_core.store.review import ReviewId, ReviewRecord
from ekaci_core.telemetry import LOG
from ekaci_core.testing.scripted_forge import ScriptedForge

CONFIG: Final = ".eka-ci/config.json"


@attrs.frozen
class Origin:
    """A repository at the forge. Its derivations are new each time."""

    path: Path
    environment: Mapping[str, str]
    forge: ScriptedForge
    id: RepositoryId

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=dict(self.environment), check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str, files: Mapping[str, str | None] | None = None) -> CommitSha:
        for name, text in (files or {}).items():
            target = self.path / name
            if text is None:
                target.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.told()

    def told(self) -> CommitSha:
        """Let the forge know the newest commit's files, as far as it is asked for them."""
        sha = CommitSha.parse(self.git("rev-parse", "HEAD"))
        if (self.path / CONFIG).exists():
            self.forge.files[sha, CONFIG] = (self.path / CONFIG).read_bytes()
        return sha

    def pull_request(self, number: int, head: CommitSha, **more: object) -> ReviewWish:
        """Put a commit where the forge has the heads of pull requests, and wish for its review."""
        self.git("update-ref", f"refs/pull/{number}/head", head)
        wish = ReviewWish(
            repository=self.id,
            occasion=Occasion.PULL_REQUEST,
            number=number,
            base=Branch("main"),
            base_sha=None,
            head_sha=head,
            ref=f"refs/pull/{number}/head",
            trusted=True,
            author="alice",
        )
        return attrs.evolve(wish, **more)  # type: ignore[arg-type]


@attrs.define
class ServerHarness:
    """The running services, and what the forge was told."""

    origin: Origin
    store: Store
    parts: ReviewParts
    asked: Wakeup
    reviewing: Reviewing
    pushing: Pushing

    async def ask(self, wish: ReviewWish, state: ReviewState = ReviewState.QUEUED) -> ReviewId:
        number = await self.store.ask_review(wish, state, now=self.parts.clock.now())
        self.asked.wake()
        return number

    async def reaches(self, review: ReviewId, *states: ReviewState, seconds: float = 60) -> ReviewRecord:
        found: ReviewRecord | None = None
        with anyio.move_on_after(seconds):
            while True:
                found = await self.store.review(review)
                assert found is not None
                if found.state in states:
                    return found
                await anyio.sleep(0.02)
        raise AssertionError(f"it is {found}, not {states}")

    async def published(self, context: str, sha: CommitSha, *, seconds: float = 20) -> Check:
        """Return the last version of a check, once nothing newer is to be sent."""
        with anyio.fail_after(seconds):
            while True:
                posts = await self.store.posts_at(self.origin.id, sha, [context])
                if posts and all(post.sent == post.version for post in posts):
                    break
                await anyio.sleep(0.02)
        shown = [each for each in self.origin.forge.published if each.context == context and each.sha == sha]
        return shown[-1]

    async def attempts(self, number: int, *, seconds: float = 60) -> None:
        """Return when so many builds run."""
        with anyio.fail_after(seconds):
            while len(await self.store.open_attempts()) != number:  # noqa: ASYNC110 - the database tells nobody
                await anyio.sleep(0.02)

    async def result(self, review: ReviewId) -> dict[str, object]:
        document: dict[str, object] = json.loads(await self.store.review_result(review))
        return document


@asynccontextmanager
async def served(origin: Origin, folder: Path, caches: Sequence[OpenCache] = ()) -> AsyncIterator[ServerHarness]:
    """Run the services until the context closes, as a server that is stopped at once."""
    environment = given_to_nix({**os.environ, **origin.environment})
    clock = SystemClock()
    context = PluginContext(clock=clock, log=LOG, environment=environment, nix=NixCommands(environment))
    (folder / "roots").mkdir(exist_ok=True)
    async with (
        open_store(folder / "sqlite.db") as store,
        Instances(load_registry({}, LOG), context) as instances,
    ):
        forge = GuardedForge(origin.forge, who="forge", log=LOG)
        offering, pushing = _delivery(store, context, folder, caches)
        forges = Forges([OpenForge("scripted", "scripted", forge)])
        parts = await _parts(store, instances, context, forges, folder, offering=offering)
        asked = Wakeup()
        reviewing = Reviewing(parts, asked)
        publisher = Publisher(store, parts.forges.serving, clock, LOG, parts.posted)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(parts.builds.run)
            tasks.start_soon(publisher.run)
            tasks.start_soon(reviewing.run)
            for loop in pushing.loops:
                tasks.start_soon(loop.run)
            yield ServerHarness(origin, store, parts, asked, reviewing, pushing)
            tasks.cancel_scope.cancel()


def _delivery(
    store: Store, context: PluginContext, folder: Path, caches: Sequence[OpenCache]
) -> tuple[Offering, Pushing]:
    paths, clock = NixPaths(context.environment, folder / "roots/pushes"), context.clock
    auditing = Auditing(store, clock, LOG)
    pushing = Pushing(caches, PushParts(store, paths, auditing, clock, LOG, folder / "logs", 60.0))
    rules = {each.rule.id: each.rule for each in caches}
    return Offering(store, paths, rules, auditing, clock, LOG, pushing.wake), pushing


async def _parts(
    store: Store, instances: Instances, context: PluginContext, forges: Forges, folder: Path, *, offering: Offering
) -> ReviewParts:
    scheduler = Scheduler(
        store=store,
        builders=[await instances.builder("local")],
        survey=partial(build_plan, environment=context.environment),
        clock=context.clock,
        log=LOG,
        events=Broadcast(),
        logs_dir=folder / "logs",
        roots_dir=folder / "roots/outputs",
    )
    return ReviewParts(
        store,
        forges,
        Mirrors(folder / "repositories"),
        await instances.evaluator("nix"),
        await probe(context.environment),
        context,
        SharedBuilds(scheduler, store, context.clock, LOG),
        ReviewOptions(path=folder, eval_workers=2, eval_memory_mib=1024),
        CheckoutFolders(folder / "worktrees", None),
        folder / "roots/evaluations",
        ReviewLimits(20, 1e9),
        context.clock,
        LOG,
        Wakeup(),
        offering,
        HookWishes(store, HookRules(), HookAudit(store, context.clock, LOG), context.clock, LOG, Wakeup()),
    )
