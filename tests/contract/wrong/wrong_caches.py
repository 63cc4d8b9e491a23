"""Caches that each break one promise of the contract, over one that keeps all. Not collected by itself.

``tests/contract/test_cache_conformance.py`` runs, for each, the one test of the kit that must find it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, cast

import anyio
import attrs
import pytest

from ekaci_core.api import (
    AlreadyPresent,
    Cache,
    CredentialUse,
    HeldCredentials,
    InfrastructureFault,
    Lease,
    PluginContext,
    Pushed,
    PushFailed,
    PushOutcome,
    PushRequest,
    StorePath,
    UsageFault,
)
from ekaci_core.testing.cache_laboratory import CacheLaboratory, Trouble
from ekaci_core.testing.cache_witness import CacheWitness
from ekaci_core.testing.caches import CacheConformance

pytestmark = pytest.mark.anyio

TOKENS = ("canary-token-one", "canary-token-two")


@attrs.define
class Place:
    """What stands behind: paths in the order in which they came. Whoever asks must have an accepted token."""

    held: list[StorePath] = attrs.field(factory=list)
    trouble: Trouble | None = None
    accepted: tuple[str, ...] = attrs.field(default=TOKENS, repr=False)

    async def asked(self, lease: Lease) -> None:
        """Answer, or not."""
        await anyio.lowlevel.checkpoint()
        if self.trouble is Trouble.HANGING:
            with anyio.move_on_after(2):
                await anyio.sleep_forever()
            raise TimeoutError
        if self.trouble is Trouble.UNREACHABLE:
            raise ConnectionRefusedError
        if self.trouble is Trouble.BROKEN:
            raise ConnectionAbortedError
        if self.trouble is Trouble.GARBLED:
            raise ValueError("what is that?")
        if lease.secrets["TOKEN"].reveal() not in self.accepted:
            raise PermissionError


@attrs.define
class Right:
    """Does all as it should; ``store`` is what can be pushed."""

    found_by: ClassVar[str] = ""

    place: Place
    store: Collection[StorePath]
    held: HeldCredentials
    context: PluginContext

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        try:
            await self.ask()
        except PermissionError:
            raise UsageFault("it refuses the token", where="place", do="get another") from None
        except (OSError, ValueError) as error:
            what = f"it does not answer ({type(error).__name__})"
            raise InfrastructureFault(what, where="place", do="wait") from None
        return frozenset(paths) - set(self.place.held)

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        try:
            await self.ask()
            return {path: await self.push_one(path, request) for path in dict.fromkeys(request.paths)}
        except (OSError, ValueError) as error:
            return dict.fromkeys(request.paths, self.failed(error))

    def failed(self, error: Exception) -> PushFailed:
        return PushFailed(f"it does not answer ({type(error).__name__})", not isinstance(error, PermissionError))

    async def push_one(self, path: StorePath, request: PushRequest) -> PushOutcome:
        if path in self.place.held:
            return AlreadyPresent()
        if path not in self.store:
            return PushFailed("it is not in the store")
        request.log(b"pushing\n")
        await self.context.programs.run(["true"], environment={"PATH": os.environ["PATH"]})
        if path not in self.place.held:
            self.place.held.append(path)
        return Pushed()

    async def ask(self) -> Lease:
        lease = await self.held.resolve()
        try:
            await self.place.asked(lease)
        except PermissionError:
            lease = await self.held.renew(lease)
            await self.place.asked(lease)
        return lease


class ForgetsWhatItPushed(Right):
    found_by = "test_a_path_is_missing_until_it_is_pushed"

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        return frozenset(paths)


class SaysMoreThanIsTrue(Right):
    found_by = "test_a_path_is_missing_until_it_is_pushed"

    async def push_one(self, path: StorePath, request: PushRequest) -> PushOutcome:
        del path, request
        return Pushed()


class LosesTheLast(Right):
    found_by = "test_a_batch_arrives_whole"

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        return await super().push(attrs.evolve(request, paths=request.paths[:-1] or request.paths))


class PushesBackwards(Right):
    found_by = "test_what_a_path_refers_to_arrives_before_it"

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        return await super().push(attrs.evolve(request, paths=request.paths[::-1]))


class KnowsOnlyItself(Right):
    found_by = "test_opening_it_again_finds_what_is_there"

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        mine = getattr(self, "_mine", set[StorePath]())
        return frozenset(paths) - mine

    async def push_one(self, path: StorePath, request: PushRequest) -> PushOutcome:
        self._mine = {*getattr(self, "_mine", ()), path}
        return await super().push_one(path, request)


class PushesAgain(Right):
    found_by = "test_what_is_present_is_told_from_what_is_new"

    async def push_one(self, path: StorePath, request: PushRequest) -> PushOutcome:
        await super().push_one(path, request)
        return Pushed()


class ChokesOnNothing(Right):
    found_by = "test_nothing_to_do_is_nothing_done"

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        assert request.paths[0]
        return await super().push(request)


class AnswersForAHundred(Right):
    found_by = "test_many_are_asked_for_at_once"

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        return await super().missing(list(paths)[:100])


class AnswersWithAList(Right):
    found_by = "test_many_are_asked_for_at_once"

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        return cast("frozenset[StorePath]", list(await super().missing(paths)))


class HoldsTwice(Right):
    found_by = "test_two_pushes_of_one_path_do_not_hurt_each_other"

    async def push_one(self, path: StorePath, request: PushRequest) -> PushOutcome:
        there = path in self.place.held
        outcome = await super().push_one(path, request)
        if not there:
            await anyio.sleep(0.01)
            self.place.held.append(path)
        return outcome


class OneTakesAll(Right):
    found_by = "test_a_path_that_is_not_here_takes_no_other_with_it"

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        if set(request.paths) - set(self.store):
            return dict.fromkeys(request.paths, PushFailed("something is not in the store"))
        return await super().push(request)


class LeavesAProgramBehind(Right):
    found_by = "test_a_push_that_is_given_up_leaves_nothing_running"

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        witness: Any = self.context.programs
        witness._witness.running += 1
        await anyio.sleep(0.01)
        outcomes = await super().push(request)
        witness._witness.running -= 1
        return outcomes


class RaisesWhereItFails(Right):
    found_by = "test_what_may_pass_is_transient"

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        await self.ask()
        return await super().push(request)


class GivesUpForGood(Right):
    found_by = "test_what_may_pass_is_transient"

    def failed(self, error: Exception) -> PushFailed:
        return attrs.evolve(super().failed(error), transient=False)


class TakesSilenceForPresence(Right):
    found_by = "test_what_may_pass_is_transient"

    async def missing(self, paths: Collection[StorePath]) -> frozenset[StorePath]:
        try:
            return await super().missing(paths)
        except InfrastructureFault:
            return frozenset()


class BelievesAnything(Right):
    found_by = "test_answers_without_sense_are_not_believed"

    async def ask(self) -> Lease:
        try:
            return await super().ask()
        except ValueError:
            return await self.held.resolve()


class NeverRenews(Right):
    found_by = "test_secrets_that_were_replaced_are_noticed"

    async def ask(self) -> Lease:
        lease = await self.held.resolve()
        await self.place.asked(lease)
        return lease


class RenewsAllTheTime(Right):
    found_by = "test_who_is_refused_asks_for_other_secrets_once"

    async def ask(self) -> Lease:
        try:
            return await super().ask()
        except PermissionError:
            await self.held.renew()
            return await super().ask()


class TriesForEverWhereItIsRefused(Right):
    found_by = "test_who_is_refused_asks_for_other_secrets_once"

    def failed(self, error: Exception) -> PushFailed:
        return attrs.evolve(super().failed(error), transient=True)


class WritesItsTokenToTheLog(Right):
    found_by = "test_no_secret_is_seen"

    async def push_one(self, path: StorePath, request: PushRequest) -> PushOutcome:
        request.log(f"with {(await self.held.resolve()).secrets['TOKEN'].reveal()}\n".encode())
        return await super().push_one(path, request)


class GivesItsTokenAsArgument(Right):
    found_by = "test_no_secret_is_seen"

    async def push_one(self, path: StorePath, request: PushRequest) -> PushOutcome:
        token = (await self.held.resolve()).secrets["TOKEN"].reveal()
        await self.context.programs.run(["true", token], environment={"PATH": os.environ["PATH"]})
        return await super().push_one(path, request)


class GivesItsTokenBare(Right):
    found_by = "test_no_secret_is_seen"

    async def push_one(self, path: StorePath, request: PushRequest) -> PushOutcome:
        token = (await self.held.resolve()).secrets["TOKEN"].reveal()
        await self.context.programs.run(["true"], environment={"PATH": os.environ["PATH"], "TOKEN": token})
        return await super().push_one(path, request)


class TellsItsTokenWhereItFails(Right):
    found_by = "test_no_secret_is_seen"

    def failed(self, error: Exception) -> PushFailed:
        return attrs.evolve(super().failed(error), reason=f"refused: {TOKENS[0]}")


class PutsItsTokenIntoTheServersEnvironment(Right):
    found_by = "test_no_secret_is_seen"

    async def push(self, request: PushRequest) -> Mapping[StorePath, PushOutcome]:
        os.environ["EKACI_TEST_WRONG_CACHE"] = (await self.held.resolve()).secrets["TOKEN"].reveal()
        return await super().push(request)


WRONG: list[type[Right]] = [each for each in Right.__subclasses__() if each.found_by]


@attrs.define
class MemoryLaboratory:
    """Anything can be wrong here."""

    kind: type[Right]
    witness: CacheWitness
    place: Place = attrs.field(factory=Place)
    troubles: frozenset[Trouble] = frozenset(Trouble)
    says_order: bool = True
    store: list[StorePath] = attrs.field(factory=list)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Cache]:
        held = await self.witness.context.credentials.open(CredentialUse("token"), purpose="cache")
        yield self.kind(self.place, self.store, held, self.witness.context)

    async def path(self, *references: StorePath) -> StorePath:
        del references
        letters = uuid.uuid4().hex.replace("e", "g")  # the alphabet of Nix has no e
        self.store.append(StorePath(f"/nix/store/{letters}-made"))
        return self.store[-1]

    async def held(self) -> Sequence[StorePath]:
        return self.place.held

    async def make(self, trouble: Trouble) -> None:
        if trouble is Trouble.EXPIRED:
            self.place.accepted = TOKENS[1:]
        elif trouble is Trouble.DENIED:
            self.place.accepted = ()
        else:
            self.place.trouble = trouble


class TestWrongCaches(CacheConformance):
    @pytest.fixture(params=[Right, *WRONG], ids=lambda kind: kind.__name__)
    async def laboratory(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> CacheLaboratory:
        monkeypatch.setenv("EKACI_TEST_WRONG_CACHE", "")
        leases = {"token": [{"TOKEN": token} for token in TOKENS]}
        return MemoryLaboratory(request.param, CacheWitness({"PATH": os.environ["PATH"]}, leases=leases))
