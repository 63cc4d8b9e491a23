"""The contract of binary caches, as tests that whoever writes one inherits.

Provide the fixture ``laboratory``: how the cache is opened, what arrived behind its back, and what can go wrong there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import anyio
import pytest

from ekaci_core.api import (
    AlreadyPresent,
    Cache,
    EkaciError,
    InfrastructureFault,
    Pushed,
    PushFailed,
    PushOutcome,
    PushRequest,
    StorePath,
)
from ekaci_core.testing.cache_laboratory import CacheLaboratory, Trouble

_PATIENCE_SECONDS: Final = 30
_TRANSIENT: Final = (Trouble.UNREACHABLE, Trouble.BROKEN, Trouble.HANGING)
_UNKNOWN: Final = 300


class CacheConformance:
    """Inherit it, and provide the fixture ``laboratory``."""

    @pytest.fixture
    async def laboratory(self) -> CacheLaboratory:
        """Provide the cache to test."""
        raise NotImplementedError

    async def test_a_path_is_missing_until_it_is_pushed(self, laboratory: CacheLaboratory) -> None:
        """What is pushed is there, and the cache says so."""
        path = await laboratory.path()
        async with laboratory.open() as cache:
            assert await cache.missing([path]) == frozenset({path})
            assert await _pushed(cache, laboratory, [path]) == {path: Pushed}
            assert await cache.missing([path]) == frozenset()
        assert list(await laboratory.held()) == [path]

    async def test_opening_it_again_finds_what_is_there(self, laboratory: CacheLaboratory) -> None:
        """What a cache knows is not only in its memory."""
        path, other = await laboratory.path(), await laboratory.path()
        async with laboratory.open() as cache:
            await _pushed(cache, laboratory, [path])
        async with laboratory.open() as cache:
            assert await cache.missing([path, other]) == frozenset({other})

    async def test_a_batch_arrives_whole(self, laboratory: CacheLaboratory) -> None:
        """Every path of a request has an outcome, and those that were pushed are there."""
        paths = [await laboratory.path() for _ in range(5)]
        async with laboratory.open() as cache:
            assert await _pushed(cache, laboratory, paths) == dict.fromkeys(paths, Pushed)
        assert sorted(await laboratory.held()) == sorted(paths)

    async def test_what_a_path_refers_to_arrives_before_it(self, laboratory: CacheLaboratory) -> None:
        """Nobody finds a path whose references are yet to come."""
        chain: list[StorePath] = []
        for _ in range(4):
            chain.append(await laboratory.path(*chain[-2:]))
        async with laboratory.open() as cache:
            assert await _pushed(cache, laboratory, chain) == dict.fromkeys(chain, Pushed)
        held = list(await laboratory.held())
        assert sorted(held) == sorted(chain)
        if laboratory.says_order:
            assert held == chain

    async def test_what_it_refers_to_may_be_somewhere_else(self, laboratory: CacheLaboratory) -> None:
        """Only what was asked for is pushed: what is missing then, readers have from another cache."""
        reference = await laboratory.path()
        path = await laboratory.path(reference)
        async with laboratory.open() as cache:
            assert (await _pushed(cache, laboratory, [reference]))[reference] is Pushed
            assert (await _pushed(cache, laboratory, [path]))[path] is Pushed

    async def test_what_is_present_is_told_from_what_is_new(self, laboratory: CacheLaboratory) -> None:
        """Pushing twice does no harm and no work."""
        old, new = await laboratory.path(), await laboratory.path()
        async with laboratory.open() as cache:
            await _pushed(cache, laboratory, [old])
            assert await _pushed(cache, laboratory, [old, new]) == {old: AlreadyPresent, new: Pushed}
            assert await _pushed(cache, laboratory, [old, new]) == {old: AlreadyPresent, new: AlreadyPresent}
        assert sorted(await laboratory.held()) == sorted([old, new])

    async def test_nothing_to_do_is_nothing_done(self, laboratory: CacheLaboratory) -> None:
        """An empty request is none."""
        async with laboratory.open() as cache:
            assert await cache.missing([]) == frozenset()
            assert await _pushed(cache, laboratory, []) == {}

    async def test_many_are_asked_for_at_once(self, laboratory: CacheLaboratory) -> None:
        """Every path that is not there is named, and nothing else."""
        here = await laboratory.path()
        unknown = frozenset(StorePath(f"/nix/store/{number:032d}-unknown") for number in range(_UNKNOWN))
        async with laboratory.open() as cache:
            await _pushed(cache, laboratory, [here])
            assert await cache.missing([*unknown, here]) == unknown

    async def test_two_pushes_of_one_path_do_not_hurt_each_other(self, laboratory: CacheLaboratory) -> None:
        """Both end well, and the path is there once."""
        path = await laboratory.path()
        seen: list[type[PushOutcome]] = []
        async with laboratory.open() as cache, anyio.create_task_group() as tasks:

            async def push() -> None:
                seen.append((await _pushed(cache, laboratory, [path]))[path])

            tasks.start_soon(push)
            tasks.start_soon(push)
        assert len(seen) == 2
        assert not [each for each in seen if each is PushFailed]
        assert list(await laboratory.held()) == [path]

    async def test_a_path_that_is_not_here_takes_no_other_with_it(self, laboratory: CacheLaboratory) -> None:
        """It has failed, with a reason; the others go on."""
        gone, path = StorePath("/nix/store/" + "0" * 32 + "-gone"), await laboratory.path()
        async with laboratory.open() as cache:
            outcomes = await _push(cache, laboratory, [gone, path])
        failed = outcomes[gone]
        assert isinstance(failed, PushFailed)
        assert failed.reason
        assert isinstance(outcomes[path], Pushed)

    async def test_a_push_that_is_given_up_leaves_nothing_running(self, laboratory: CacheLaboratory) -> None:
        """Cancellation ends every program of it, at once or later, and the next push goes well."""
        hangs = Trouble.HANGING in laboratory.troubles
        before, path = await laboratory.path(), await laboratory.path()
        for seconds in (0, 0.2):
            async with laboratory.open() as cache:
                with anyio.fail_after(_PATIENCE_SECONDS), anyio.move_on_after(seconds):
                    await _push(cache, laboratory, [before])
                assert laboratory.witness.running == 0
        async with laboratory.open() as cache:
            assert (await _pushed(cache, laboratory, [path]))[path] is Pushed
            if hangs:
                await laboratory.make(Trouble.HANGING)
                with anyio.fail_after(_PATIENCE_SECONDS), anyio.move_on_after(1) as scope:
                    await _push(cache, laboratory, [await laboratory.path()])
                assert scope.cancelled_caught
                assert laboratory.witness.running == 0

    @pytest.mark.parametrize("trouble", _TRANSIENT)
    async def test_what_may_pass_is_transient(self, laboratory: CacheLaboratory, trouble: Trouble) -> None:
        """Nothing is raised where it is pushed, and nothing is said to be there that is not."""
        _needs(laboratory, trouble)
        path = await laboratory.path()
        async with laboratory.open() as cache:
            await laboratory.make(trouble)
            with anyio.fail_after(_PATIENCE_SECONDS):
                failed = (await _push(cache, laboratory, [path]))[path]
            assert isinstance(failed, PushFailed)
            assert failed.transient
            assert failed.reason
            with anyio.fail_after(_PATIENCE_SECONDS):
                await _asked_in_vain(cache, laboratory, path)

    async def test_answers_without_sense_are_not_believed(self, laboratory: CacheLaboratory) -> None:
        """A path is present only where the cache said so."""
        _needs(laboratory, Trouble.GARBLED)
        path = await laboratory.path()
        async with laboratory.open() as cache:
            await laboratory.make(Trouble.GARBLED)
            with anyio.fail_after(_PATIENCE_SECONDS):
                failed = (await _push(cache, laboratory, [path]))[path]
            assert isinstance(failed, PushFailed)
            await _asked_in_vain(cache, laboratory, path)

    async def test_secrets_that_were_replaced_are_noticed(self, laboratory: CacheLaboratory) -> None:
        """Who is refused renews once, and goes on."""
        _needs(laboratory, Trouble.EXPIRED)
        paths = [await laboratory.path() for _ in range(4)]
        async with laboratory.open() as cache:
            await laboratory.make(Trouble.EXPIRED)
            assert await _pushed(cache, laboratory, paths) == dict.fromkeys(paths, Pushed)
            assert laboratory.witness.renewals == 1
            assert await cache.missing(paths) == frozenset()

    async def test_who_is_refused_asks_for_other_secrets_once(self, laboratory: CacheLaboratory) -> None:
        """Then it has failed, for good."""
        _needs(laboratory, Trouble.DENIED)
        path = await laboratory.path()
        async with laboratory.open() as cache:
            await laboratory.make(Trouble.DENIED)
            failed = (await _push(cache, laboratory, [path]))[path]
            assert isinstance(failed, PushFailed)
            assert not failed.transient
            assert laboratory.witness.renewals == 1

    async def test_no_secret_is_seen(self, laboratory: CacheLaboratory) -> None:
        """Neither in logs, nor in arguments, environments and messages, whatever happens."""
        path = await laboratory.path()
        assert laboratory.witness.secrets, "plant a secret"
        async with laboratory.open() as cache:
            laboratory.witness.said.append(f"{cache!r} {cache}")
            await _push(cache, laboratory, [path])
        for trouble in (Trouble.DENIED, Trouble.GARBLED, Trouble.BROKEN):
            if trouble in laboratory.troubles:
                async with laboratory.open() as cache:
                    await laboratory.make(trouble)
                    await _push(cache, laboratory, [await laboratory.path()])
                    await _asked_in_vain(cache, laboratory, path, held=True)
        assert laboratory.witness.betrayed() == []
        assert not [name for name, value in os.environ.items() if value in laboratory.witness.secrets]


def _needs(laboratory: CacheLaboratory, trouble: Trouble) -> None:
    if trouble not in laboratory.troubles:
        pytest.skip(f"it cannot be {trouble.value}")


async def _push(cache: Cache, laboratory: CacheLaboratory, paths: Sequence[StorePath]) -> dict[StorePath, PushOutcome]:
    outcomes = dict(await cache.push(PushRequest(paths, laboratory.witness.write_log)))
    laboratory.witness.said.append(repr(outcomes))
    assert outcomes.keys() == set(paths), "every path has an outcome, and no other"
    assert all(isinstance(each, Pushed | AlreadyPresent | PushFailed) for each in outcomes.values())
    present = [path for path, each in outcomes.items() if not isinstance(each, PushFailed)]
    assert set(present) <= set(await laboratory.held()), "it says more than is true"
    return outcomes


async def _pushed(
    cache: Cache, laboratory: CacheLaboratory, paths: Sequence[StorePath]
) -> dict[StorePath, type[PushOutcome]]:
    outcomes = await _push(cache, laboratory, paths)
    assert [each for each in outcomes.values() if isinstance(each, PushFailed)] == []
    return {path: type(each) for path, each in outcomes.items()}


async def _asked_in_vain(cache: Cache, laboratory: CacheLaboratory, path: StorePath, *, held: bool = False) -> None:
    """It cannot be asked: that is a fault, or everything counts as missing; never is something taken for present."""
    fault: EkaciError | None = None
    found: frozenset[StorePath] = frozenset()
    try:
        found = await cache.missing([path])
    except EkaciError as raised:
        fault = raised
    if fault is None:
        assert held or found == frozenset({path})
        return
    laboratory.witness.said.append(f"{fault} {fault!r} {fault.do} {fault.__cause__!r}")
    assert fault.where
    assert fault.do
    assert held or isinstance(fault, InfrastructureFault)
