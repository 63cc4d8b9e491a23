"""Leases are renewed before they end, when somebody is refused, and kept while their source is away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import pytest

from ekaci_core.api import CredentialUse, EkaciError, InfrastructureFault, Lease, Secret, UsageFault
from ekaci_core.server import held_source
from ekaci_core.server.held_source import HeldSource

pytestmark = pytest.mark.anyio

DOWN = InfrastructureFault("the vault is shut", where="vault", do="open it")


@attrs.define
class HandClock:
    """Stands still until it is moved."""

    time: float = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@attrs.define
class Noted:
    """A log that keeps its lines."""

    lines: list[str] = attrs.field(factory=list)

    def debug(self, event: str, /, **fields: object) -> None:
        self.lines.append(f"{event} {fields}")

    info = warning = debug


@attrs.define
class Source:
    """Gives secrets by number that last ``lasts`` seconds, or raises."""

    clock: HandClock
    lasts: float | None = None
    fault: Exception | None = None
    asked: int = 0
    waiting: anyio.Event | None = None

    async def resolve(self) -> Lease:
        self.asked += 1
        number = self.asked
        if self.waiting is not None:
            await self.waiting.wait()
        if self.fault is not None:
            raise self.fault
        ends = None if self.lasts is None else self.clock.now() + self.lasts
        return Lease({"TOKEN": Secret(f"canary-{number}")}, ends)


@attrs.define
class Held:
    """A held source with everything that it stands on."""

    clock: HandClock = attrs.field(factory=HandClock)
    log: Noted = attrs.field(factory=Noted)
    learnt: list[str] = attrs.field(factory=list)
    source: Source = attrs.field(init=False)
    held: HeldSource = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.source = Source(self.clock)
        self.held = HeldSource(self.source, "vault", "caches[0].credentials", self.clock, self.log, self._learn)

    def _learn(self, purpose: str, secrets: Mapping[str, Secret]) -> None:
        assert purpose == "caches[0].credentials"
        self.learnt += [secret.reveal() for secret in secrets.values()]

    async def token(self) -> str:
        return (await self.held.resolve()).secrets["TOKEN"].reveal()


@pytest.fixture
def held() -> Held:
    return Held()


async def test_a_lease_is_kept_until_shortly_before_its_end(held: Held) -> None:
    held.source.lasts = 900
    assert await held.token() == "canary-1"
    held.clock.time += 839
    assert await held.token() == "canary-1"
    held.clock.time += 2
    assert await held.token() == "canary-2"
    assert held.learnt == ["canary-1", "canary-2"]


async def test_a_lease_that_is_shorter_than_what_is_kept_in_hand_is_of_use(held: Held) -> None:
    held.source.lasts = 50
    await held.token()
    held.clock.time += 40
    assert await held.token() == "canary-1"
    held.clock.time += 6
    assert await held.token() == "canary-2"


async def test_whoever_is_refused_gets_a_new_one_at_once_and_all_others_the_same(held: Held) -> None:
    refused = await held.held.resolve()
    assert (await held.held.renew(refused)).secrets["TOKEN"].reveal() == "canary-2"
    assert (await held.held.renew(refused)).secrets["TOKEN"].reveal() == "canary-2"
    assert held.source.asked == 2
    assert (await held.held.renew()).secrets["TOKEN"].reveal() == "canary-3"


async def test_a_source_that_is_down_keeps_the_last_lease_while_it_holds_and_says_so(held: Held) -> None:
    held.source.lasts = 900
    refused = await held.held.resolve()
    held.source.fault = DOWN
    held.clock.time += 880
    assert await held.token() == "canary-1"
    assert any("credentials_not_renewed" in line and "the vault is shut" in line for line in held.log.lines)
    with pytest.raises(InfrastructureFault, match="shut"):
        await held.held.renew(refused)
    standing = held.held.standing()
    assert (standing.names, standing.holds, standing.source) == (("TOKEN",), True, "vault")
    assert (standing.down_since, standing.expires_at) == (1880.0, 1900.0)
    assert any("'what_is_kept_ends': 1900.0" in line for line in held.log.lines)
    assert "the vault is shut" in str(standing.fault)
    held.clock.time += 21
    with pytest.raises(InfrastructureFault, match="shut"):
        await held.token()
    assert held.held.standing().holds is False
    assert held.held.standing().down_since == 1880.0
    held.source.fault = None
    assert (await held.token()).startswith("canary-")
    assert held.held.standing().fault is None
    assert held.held.standing().down_since is None
    assert any("credentials_back" in line and "'after_seconds': 21.0" in line for line in held.log.lines)
    assert "canary" not in f"{held.log.lines} {held.held.standing()!r}"


async def test_a_source_that_breaks_its_contract_shows_nothing(held: Held) -> None:
    held.source.fault = RuntimeError("canary-in-a-surprise")
    with pytest.raises(InfrastructureFault, match="RuntimeError") as raised:
        await held.token()
    assert "canary" not in f"{raised.value!r} {raised.value} {held.log.lines} {held.held.standing()!r}"


async def until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not true():  # noqa: ASYNC110 - what is awaited tells nobody
            await anyio.sleep(0.005)


@asynccontextmanager
async def kept(held: Held, patch: pytest.MonkeyPatch, **seconds: float) -> AsyncIterator[None]:
    for name, value in seconds.items():
        patch.setattr(held_source, name, value)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.held.keep)
        try:
            yield
        finally:
            tasks.cancel_scope.cancel()


def pause(held: Held) -> float:
    return held.held._pause()  # the only way to see how long it sleeps without sleeping


async def test_in_the_background_it_is_earlier_than_when_it_is_asked(held: Held) -> None:
    held.source.lasts = 900
    await held.token()
    assert pause(held) == 600
    held.clock.time += 650
    assert pause(held) == 60
    held.source.lasts = None
    await held.held.renew()
    assert pause(held) == held_source.LOOK_SECONDS


async def test_nothing_is_read_before_it_is_needed_and_then_behind_everybodys_back(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kept(held, monkeypatch, LOOK_SECONDS=0.01):
        await anyio.sleep(0.05)
        assert held.source.asked == 0
        await held.token()
        await until(lambda: held.source.asked > 3)
        assert await held.token() != "canary-1"


async def test_a_source_that_is_down_is_asked_again_until_it_is_back(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    held.source.fault = DOWN
    async with kept(held, monkeypatch, RETRY_SECONDS=0.01):
        with pytest.raises(InfrastructureFault):
            await held.token()
        await until(lambda: held.source.asked > 2)
        held.source.fault = None
        await until(lambda: held.held.standing().holds)
        asked = held.source.asked
        assert await held.token() == f"canary-{asked}"


async def test_many_ask_one_at_a_time_and_one_who_goes_away_harms_nobody(held: Held) -> None:
    held.source.waiting = anyio.Event()
    found: list[str] = []

    async def ask() -> None:
        found.append(await held.token())

    async with anyio.create_task_group() as tasks:
        with anyio.move_on_after(0.01):
            await held.token()
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        held.source.waiting.set()
    assert found == ["canary-2"] * 5


async def test_a_use_knows_what_an_app_reads() -> None:
    from ekaci_core.config.credential_sources import for_app  # noqa: PLC0415 - one test's

    plain: Any = CredentialUse("instance-metadata")
    assert for_app(plain).settings == {"secret_name": "eka-ci/github-app"}
    said = CredentialUse("instance-metadata", {"secret_name": "mine"})
    assert for_app(said) is said
    other = CredentialUse("env", {"vars": ["A"]})
    assert for_app(other) is other
    assert issubclass(UsageFault, EkaciError)
