"""Plans from caches that fail, lie, hang or hide; Nix is told to try once, as it takes half a minute to give up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.substitution import Patience
from ekaci_core.testing.binary_cache import Asked, CacheServer, Reply

if TYPE_CHECKING:
    from tests.substitution.conftest import Laboratory, Serve

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

ONCE = "download-attempts = 1"


def for_narinfos(reply: Reply) -> Callable[[Asked], Reply | None]:
    return lambda asked: reply if asked.path.endswith(".narinfo") else None


def replies() -> dict[str, Callable[[CacheServer], None]]:
    def behave(reply: Reply) -> Callable[[CacheServer], None]:
        def change(server: CacheServer) -> None:
            server.behave = for_narinfos(reply)

        return change

    return {
        "fails": behave(Reply(500)),
        "is corrupt": behave(Reply(200, b"<html>Welcome to the hotel's network</html>")),
        "says too little": behave(Reply(200, b"StorePath: /nix/store/x\n")),
        "breaks off": behave(Reply(200, b"StorePath: x\n" * 10, cut=True)),
    }


@pytest.mark.parametrize("how", ["fails", "is corrupt", "says too little", "breaks off"])
async def test_a_cache_that_does_not_answer_proves_nothing(laboratory: Laboratory, serve: Serve, how: str) -> None:
    server = serve(laboratory.cache)
    replies()[how](server)
    drvs = [laboratory.drvs["top"]]
    with pytest.raises(InfrastructureFault):
        await laboratory.nix_says(drvs, [server.url], ONCE)
    with pytest.raises(InfrastructureFault, match="no substituter could say"):
        await laboratory.ours(drvs, [server.url], ONCE)
    lines = [ONCE, "fallback = true"]
    plan = await laboratory.ours(drvs, [server.url], *lines)
    # Nix 2.8 crashes at some of this, as an exception of its own goes uncaught; it means what it does without a cache.
    assert plan == await laboratory.nix_says(drvs, [])
    assert len(plan.to_build) == 5


async def test_another_cache_makes_up_for_one_that_fails(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    replies()["fails"](server)
    drvs, healthy = [laboratory.drvs["top"]], f"file://{laboratory.cache}?priority=90"
    async with laboratory.opened([server.url, healthy], ONCE) as bench:
        plan = await bench.substitution.plan(drvs)
    assert plan == await laboratory.nix_says(drvs, [healthy])
    assert [note for note in bench.notes if server.url in note and "500" in note]


async def test_a_failure_that_passes_is_asked_again(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    slow_down = Reply(429, fields=(("Retry-After", "0"),))
    server.behave = lambda asked: (slow_down, Reply(503), None)[min(asked.number, 3) - 1]
    drvs = [laboratory.drvs["top"]]
    assert await laboratory.ours(drvs, [server.url]) == await laboratory.nix_says(drvs, [f"file://{laboratory.cache}"])
    assert {server.paths().count(path) for path in server.paths()} == {3}


async def test_forbidden_is_absent(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    hidden = f"/{laboratory.narinfo(laboratory.cache, 'top').name}"
    server.behave = lambda asked: Reply(403) if asked.path == hidden else None
    drvs = [laboratory.drvs["top"]]
    plan = await laboratory.ours(drvs, [server.url])
    assert plan == await laboratory.nix_says(drvs, [server.url])
    assert {drv.name for drv in plan.to_build} == {"top"}
    assert server.paths().count(hidden) == 2, "once by us, once by Nix"


@pytest.mark.parametrize("status", [404, 500])
async def test_a_cache_that_cannot_be_opened_is_left_out(laboratory: Laboratory, serve: Serve, status: int) -> None:
    server = serve(laboratory.cache)
    server.behave = lambda _: Reply(status)
    drvs = [laboratory.drvs["top"]]
    async with laboratory.opened([server.url], ONCE) as bench:
        plan = await bench.substitution.plan(drvs)
        await bench.substitution.plan(drvs)
    assert server.paths() == ["/nix-cache-info"]
    assert plan == await laboratory.nix_says(drvs, [server.url], ONCE)
    assert len(bench.notes) == 1
    assert f"The substituter {server.url} is left out: it" in bench.notes[0]


async def test_a_dead_cache_is_left_out(laboratory: Laboratory, dead_cache: str) -> None:
    drvs, caches = list(laboratory.drvs.values()), [dead_cache, f"file://{laboratory.cache}"]
    async with laboratory.opened(caches, ONCE) as bench:
        plan = await bench.substitution.plan(drvs)
    assert plan == await laboratory.nix_says(drvs, caches, ONCE)
    assert f"The substituter {dead_cache} is left out: it cannot be reached." in bench.notes


async def test_a_cache_that_hangs_is_not_waited_for(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    replies()["fails"](server)
    server.behave = for_narinfos(Reply(hangs=True))
    patience = Patience(attempt_seconds=0.2, lookup_seconds=0.5)
    async with laboratory.opened([server.url], patience=patience) as bench:
        with pytest.raises(InfrastructureFault, match="it takes too long to answer"):
            await bench.substitution.plan([laboratory.drvs["top"]])


async def test_redirections_are_followed(laboratory: Laboratory, serve: Serve) -> None:
    real, server = serve(laboratory.cache), serve(laboratory.cache)
    server.behave = lambda asked: Reply(302, fields=(("Location", real.url + asked.path),))
    drvs = [laboratory.drvs["all"]]
    assert await laboratory.ours(drvs, [server.url]) == await laboratory.nix_says(drvs, [real.url])


async def test_many_look_ups_are_in_flight(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    drvs = [laboratory.drvs[name] for name in ("lib", "app", "itself", "top", "fixed", "flat", "uses", "all")]
    together = threading.Barrier(len(drvs))

    def wait(asked: Asked) -> None:
        if asked.path.endswith(".narinfo") and asked.number == 1 and len(server.asked) <= len(drvs) + 1:
            together.wait(timeout=30)

    server.behave = wait
    plan = await laboratory.ours(drvs, [server.url])
    assert not together.broken, "fewer were asked at once"
    assert plan == await laboratory.nix_says(drvs, [server.url])


async def test_answers_are_remembered(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    laboratory.without("top")
    async with laboratory.opened([server.url]) as bench:
        drvs = [laboratory.drvs["top"], laboratory.drvs["all"]]
        first = await bench.substitution.plan(drvs)
        asked = [path for path in server.paths() if path.endswith(".narinfo")]
        assert len(asked) == len(set(asked)), "each path is asked for once"
        before = server.paths()
        assert await bench.substitution.plan(drvs) == first
        assert server.paths() == before


async def test_nix_has_met_the_caches_before_it_builds(laboratory: Laboratory, serve: Serve) -> None:
    # Two that meet one for the first time at the same moment fail: "constraint failed" in their common database.
    server = serve(laboratory.cache)
    laboratory.without("top", "all")
    async with laboratory.opened([server.url]) as bench:
        await bench.substitution.plan([laboratory.drvs["app"]])
        assert server.paths().count("/nix-cache-info") == 1, "nothing is to be built"
        await bench.substitution.plan([laboratory.drvs["top"]])
        await bench.substitution.plan([laboratory.drvs["all"]])
        assert server.paths().count("/nix-cache-info") == 2, "once by us, once by Nix"
        await build_plan([laboratory.drvs["top"]], bench.environment)
        assert server.paths().count("/nix-cache-info") == 2


async def test_private_caches_are_asked_with_the_names_of_netrc(
    laboratory: Laboratory, serve: Serve, tmp_path: Path
) -> None:
    server = serve(laboratory.cache)
    server.behave = lambda asked: None if asked.authorization == "Basic bWU6c2VzYW1l" else Reply(401)
    drvs = [laboratory.drvs["top"]]
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password sesame\n")
    lines = [f"netrc-file = {tmp_path}/netrc"]
    plan = await laboratory.ours(drvs, [server.url], *lines)
    assert plan == await laboratory.nix_says(drvs, [server.url], *lines)
    assert laboratory.outputs["top"] in plan.to_fetch
    assert (await laboratory.ours(drvs, [server.url])).to_fetch == frozenset()


async def test_names_in_an_address_are_used_and_never_shown(laboratory: Laboratory, serve: Serve) -> None:
    server = serve(laboratory.cache)
    server.behave = lambda asked: Reply(500) if asked.authorization == "Basic bWU6c2VzYW1l" else Reply(404)
    address = server.url.replace("//", "//me:sesame@")
    async with laboratory.opened([address], ONCE) as bench:
        await bench.substitution.plan([laboratory.drvs["top"]])
    assert bench.notes == [f"The substituter {server.url} is left out: it answers with status 500."]
    assert "sesame" not in repr(bench.substitution)
