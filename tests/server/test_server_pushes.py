"""What reviews build gets to caches, and to no others than may have it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from ekaci_core.api import InfrastructureFault
from ekaci_core.delivery import CacheRule, OpenCache
from ekaci_core.model.forge import Branch, Person, PullRequest, PullRequestState, RepositoryId
from ekaci_core.model.ids import CommitSha
from ekaci_core.model.review import Occasion, ReviewState, ReviewWish
from ekaci_core.store.push import PushState
from ekaci_core.testing.scripted_cache import ScriptedCache
from ekaci_core.testing.server_harness import CONFIG, Origin, ServerHarness, served

pytestmark = [pytest.mark.anyio, pytest.mark.nix]


def configured(origin: Origin, *caches: str) -> str:
    """The repository's configuration with these caches for its job."""
    document: dict[str, Any] = json.loads((origin.path / CONFIG).read_text())
    for job in document["jobs"].values():
        job["caches"] = list(caches)
    return json.dumps(document)


def prepared(origin: Origin, *caches: str) -> None:
    """Commit that the job has these caches, and that packages refer to what they are made of."""
    lib = (origin.path / "lib.nix").read_text().replace('echo "$name" > $out', 'echo "$name $inputs" > $out')
    origin.commit("Caches", {CONFIG: configured(origin, *caches), "lib.nix": lib})
    origin.git("switch", "--quiet", "--create", "topic")


def changed(origin: Origin, more: dict[str, str | None] | None = None) -> CommitSha:
    """Commit a change of a package that needs another, and that another needs."""
    text = (origin.path / "pkgs/kettle.nix").read_text().replace('version = "3', 'version = "4')
    return origin.commit("Change", {"pkgs/kettle.nix": text, **(more or {})})


def asked(origin: Origin, *words: str) -> set[str]:
    """Ask the real store."""
    argv = ["nix-store", *words]
    done = subprocess.run(argv, env=dict(origin.environment), check=True, capture_output=True, text=True)
    return set(done.stdout.split())


async def known(server: ServerHarness, wish: ReviewWish, head: str, fork: RepositoryId | None = None) -> None:
    """Have the server know a pull request."""
    pull = PullRequest(
        repository=wish.repository,
        number=wish.number or 0,
        title="t",
        author=Person("alice", 1),
        state=PullRequestState.OPEN,
        draft=False,
        base=wish.base,
        base_sha=CommitSha.parse(server.origin.git("rev-parse", "main")),
        head=Branch(head),
        head_sha=wish.head_sha,
        head_repository=fork or wish.repository,
        updated_at=1.0,
    )
    assert await server.store.note_pull_request(pull, now=1.0)


async def settled(server: ServerHarness, *, seconds: float = 30) -> dict[str, set[PushState]]:
    """Wait until nothing is to be pushed any more; return the states by cache."""
    with anyio.fail_after(seconds):
        while await server.store.unfinished_pushes():  # noqa: ASYNC110 - the database tells nobody
            await anyio.sleep(0.02)
    found: dict[str, set[PushState]] = {}
    for each in await server.store.pushes(limit=10_000):
        found.setdefault(each.wanted.cache, set()).add(each.state)
    return found


async def test_a_trusted_pull_request_is_pushed_with_all_that_it_needs(origin: Origin, tmp_path: Path) -> None:
    prepared(origin, "one")
    head = changed(origin)
    cache = ScriptedCache()
    async with served(origin, tmp_path, [OpenCache(CacheRule(id="one"), cache)]) as server:
        wish = origin.pull_request(7, head)
        await known(server, wish, "topic")
        record = await server.reaches(await server.ask(wish), ReviewState.DONE)
        assert await settled(server) == {"one": {PushState.DONE}}
        names = {path.name for path in cache.has}
        assert names == {"kettle-4.1", "teapot-1.2", "libcore-2.4"}, "libcore has not changed and is needed"
        assert asked(origin, "--query", "--requisites", *sorted(cache.has)) == cache.has
        pushed = [path.name for push in cache.pushes for path in push]
        assert pushed == ["libcore-2.4", "kettle-4.1", "teapot-1.2"], "what is referred to comes first"
        assert {each.wanted.review for each in await server.store.pushes()} == {record.id}
        logs = list((tmp_path / "logs").rglob("hook-push-one.log"))
        assert len(logs) == 2, "one for each derivation that changed"
        pushes, questions = len(cache.pushes), len(cache.asked)
        again = origin.pull_request(8, origin.commit("Only words", {"README": "hello"}))
        await known(server, again, "topic")
        await server.reaches(await server.ask(again), ReviewState.DONE)
        await settled(server)
        assert (len(cache.pushes), len(cache.asked)) == (pushes, questions), "nothing is pushed twice"


@pytest.mark.parametrize("kind", ["fork", "untrusted", "unknown", "merge group"])
async def test_what_others_may_have_made_is_pushed_nowhere(origin: Origin, tmp_path: Path, kind: str) -> None:
    prepared(origin, "one", "open")
    head = changed(origin)
    wish = origin.pull_request(7, head)
    open_cache, cache = ScriptedCache(), ScriptedCache()
    caches = [OpenCache(CacheRule(id="one"), cache), OpenCache(CacheRule(id="open", allow_untrusted=True), open_cache)]
    async with served(origin, tmp_path, caches) as server:
        if kind == "fork":
            await known(server, wish, "topic", RepositoryId(wish.repository.forge, "someone/packages"))
        elif kind == "untrusted":
            await known(server, wish, "topic")
            wish = attrs.evolve(wish, trusted=False)
        elif kind == "merge group":
            base = CommitSha.parse(origin.git("rev-parse", "main"))
            wish = attrs.evolve(wish, occasion=Occasion.MERGE_GROUP, number=None, base_sha=base)
        await server.reaches(await server.ask(wish), ReviewState.DONE)
        states = await settled(server)
        nothing = kind == "merge group"
        if kind == "untrusted" and not server.parts.nix.settings.really_sandboxes:
            nothing = True  # none of it is built
        assert states.keys() == (set() if nothing else {"open"})
        assert cache.has == set()
        assert bool(open_cache.has) is not nothing


async def test_a_change_cannot_give_itself_a_cache(origin: Origin, tmp_path: Path) -> None:
    prepared(origin, "one")
    head = changed(origin, {CONFIG: configured(origin, "one", "two")})
    caches = {name: ScriptedCache() for name in ("one", "two")}
    opened = [OpenCache(CacheRule(id=name), cache) for name, cache in caches.items()]
    async with served(origin, tmp_path, opened) as server:
        wish = origin.pull_request(7, head)
        await known(server, wish, "topic")
        await server.reaches(await server.ask(wish), ReviewState.DONE)
        assert (await settled(server)).keys() == {"one"}
        assert (bool(caches["one"].has), bool(caches["two"].has)) == (True, False)


async def test_a_cache_that_fails_or_hangs_touches_neither_verdict_nor_others(origin: Origin, tmp_path: Path) -> None:
    prepared(origin, "bad", "hangs", "good")
    head = changed(origin)

    async def hang(paths: object) -> None:
        del paths
        await anyio.sleep_forever()

    bad = ScriptedCache(fault=InfrastructureFault("it is on fire"))
    good, hangs = ScriptedCache(), ScriptedCache(during=hang)
    named = {"bad": bad, "hangs": hangs, "good": good}
    async with served(
        origin, tmp_path, [OpenCache(CacheRule(id=name), each) for name, each in named.items()]
    ) as server:
        wish = origin.pull_request(7, head)
        await known(server, wish, "topic")
        record = await server.reaches(await server.ask(wish), ReviewState.DONE)
        assert record.decision == "merge"
        with anyio.fail_after(30):
            while (await server.store.count_pushes())["good"].keys() != {PushState.DONE}:  # noqa: ASYNC110
                await anyio.sleep(0.02)
            while not {each.id: each.fault for each in await server.pushing.report()}["bad"]:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        counts = await server.store.count_pushes()
        assert counts["bad"].keys() == {PushState.PENDING}
        assert PushState.DONE not in counts["hangs"]
        reports = {each.id: each.fault for each in await server.pushing.report()}
        assert (reports["good"], reports["bad"]) == ("", "it is on fire")


async def test_what_waits_for_a_cache_is_kept_from_being_collected(origin: Origin, tmp_path: Path) -> None:
    prepared(origin, "one")
    head = changed(origin)
    cache = ScriptedCache(fault=InfrastructureFault("away"))
    async with served(origin, tmp_path, [OpenCache(CacheRule(id="one"), cache)]) as server:
        wish = origin.pull_request(7, head)
        await known(server, wish, "topic")
        await server.reaches(await server.ask(wish), ReviewState.DONE)
        rows = await server.store.pushes(limit=1000)
        assert {each.path.name for each in rows} == {"libcore-2.4", "kettle-4.1", "teapot-1.2"}
        pushes = tmp_path / "roots/pushes"
        for each in rows:
            roots = asked(origin, "--query", "--roots", each.path)
            assert any(word.startswith(f"{pushes}/") for word in roots), each.path
        before = set(pushes.iterdir())
        await server.pushing.clean()
        assert set(pushes.iterdir()) == before, "they are needed, and young"
