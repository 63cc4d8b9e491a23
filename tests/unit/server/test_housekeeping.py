"""What a server does not keep for ever."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest

from ekaci_core.config.bounds import RetentionSettings
from ekaci_core.git.mirror import Mirrors
from ekaci_core.model.forge import Branch
from ekaci_core.model.hook import HookState
from ekaci_core.model.review import ReviewState
from ekaci_core.server.housekeeping import DELIVERIES_SECONDS, HOOKS_SECONDS, MIRRORS_SECONDS, Housekeeping
from ekaci_core.server.server_places import ServerPlaces
from ekaci_core.store import open_store
from ekaci_core.store.delivery import DeliveryState
from ekaci_core.store.hook_execution import HookOccasion
from ekaci_core.testing.builders import SilentLogger
from ekaci_core.testing.facts import evaluated, record
from ekaci_core.testing.store_forges import HERE, sha, wish
from ekaci_core.testing.store_hooks import PUSH

pytestmark = pytest.mark.anyio


@attrs.define
class Hands:
    at: float

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


async def test_old_logs_and_handled_deliveries_go_and_young_and_pending_ones_stay(tmp_path: Path) -> None:
    places = ServerPlaces(tmp_path / "db/sqlite.db", tmp_path / "logs", tmp_path / "work")
    places.make()
    old, young = places.logs / ("0" * 32), places.logs / ("1" * 32)
    for folder in (old, young):
        folder.mkdir()
        (folder / "build.log").write_text("hello\n")
    log = old / "build.log"
    now = log.stat().st_mtime
    os.utime(log, (now - 100 * 86_400, now - 100 * 86_400))
    os.utime(old, (now - 100 * 86_400, now - 100 * 86_400))
    clock = Hands(now)
    async with open_store(places.database) as store:
        for name, at in (("handled", 0.0), ("pending", 0.0), ("new", now)):
            await store.add_delivery("github", "app", name, "push", b"{}", now=at)
        for delivery in await store.pending_deliveries(limit=10):
            if delivery.name != "pending":
                await store.end_delivery(delivery.id, DeliveryState.HANDLED, outcome="done", now=delivery.received_at)
        await Housekeeping(store, places, RetentionSettings(), clock, SilentLogger()).clean()
        assert now > DELIVERIES_SECONDS
        assert {each.name for each in await store.deliveries()} == {"pending", "new"}
    assert not old.exists()
    assert young.exists()


async def test_copies_of_repositories_go_that_no_forge_gives_any_more(tmp_path: Path) -> None:
    places = ServerPlaces(tmp_path / "db/sqlite.db", tmp_path / "logs", tmp_path / "work")
    places.make()
    mirrors = Mirrors(places.repositories)
    given, live, gone = [attrs.evolve(HERE, path=f"owner/{name}") for name in ("given", "live", "gone")]
    for each in (given, live, gone):
        mirrors.path(each).mkdir(parents=True)
        (mirrors.path(each) / "HEAD").write_text("ref: refs/heads/main\n")
    now = mirrors.path(gone).stat().st_mtime
    async with open_store(places.database) as store:
        await store.note_installed(HERE.forge, "app", [given], now=now)
        await store.ask_review(wish(repository=live), ReviewState.QUEUED, now=now)
        for later in (MIRRORS_SECONDS - 1, MIRRORS_SECONDS + 1):
            clock = Hands(now + later)
            await Housekeeping(store, places, RetentionSettings(), clock, SilentLogger(), mirrors).clean()
            there = [mirrors.path(each).exists() for each in (given, live, gone)]
            assert there == [True, True, later < MIRRORS_SECONDS]


def test_two_servers_do_not_work_with_one_database(tmp_path: Path) -> None:
    places = ServerPlaces(tmp_path / "db/sqlite.db", tmp_path / "logs", tmp_path / "work")
    places.make()
    with places.alone(), pytest.raises(Exception, match="another server works with this database"), places.alone():
        raise AssertionError("two are in")
    with places.alone():
        pass


async def test_runs_of_hooks_are_forgotten_once_they_are_old(tmp_path: Path) -> None:
    places = ServerPlaces(tmp_path / "db/sqlite.db", tmp_path / "logs", tmp_path / "work")
    places.make()
    now = 2 * HOOKS_SECONDS
    async with open_store(places.database) as store:
        await evaluated(store, [record("a")])
        review = await store.ask_review(wish(), ReviewState.QUEUED, now=1.0)
        occasion = HookOccasion(review=review, repository=HERE, branch=Branch("topic"), sha=sha("a"))
        await store.want_hooks(
            [attrs.evolve(PUSH, hook=name) for name in ("old", "young", "queued")], occasion, now=1.0
        )
        old, young, _ = await store.pending_hooks(limit=9)
        for each, at in ((old, now - HOOKS_SECONDS - 1), (young, now - HOOKS_SECONDS + 1)):
            await store.end_hook(each.id, HookState.SUCCEEDED, exit_status=0, reason="", now=at)
        await Housekeeping(store, places, RetentionSettings(), Hands(now), SilentLogger()).clean()
        assert [each.hook for each in await store.hook_executions()] == ["queued", "young"]
