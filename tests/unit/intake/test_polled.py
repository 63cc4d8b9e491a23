"""News that was asked for comes through the inbox as it went in, and once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import attrs
import pytest
from tests.unit.registry.conftest import RecordingLog

from ekaci_core.api import (
    Branch,
    BranchPushed,
    CommentCreated,
    CommitSha,
    ForgeCapability,
    ForgeEvent,
    InfrastructureFault,
    Person,
    Ping,
    PullRequest,
    PullRequestAction,
    PullRequestChanged,
    PullRequestState,
    RepositoryId,
)
from ekaci_core.intake.polled import NEWS_KIND, NotNews, event_of, name_of, payload_of
from ekaci_core.intake.polling import Polled, Polling
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.store import Store, open_store
from ekaci_core.testing.builders import RealClock
from ekaci_core.testing.scripted_forge import HOST, ScriptedForge

pytestmark = pytest.mark.anyio

PLACE = RepositoryId(HOST, "group/sub/place")
ADA = Person("ada", 5)
PULL = PullRequest(
    repository=PLACE,
    number=7,
    title="Ä title",
    author=ADA,
    state=PullRequestState.OPEN,
    draft=False,
    base=Branch("main"),
    base_sha=CommitSha("a" * 40),
    head=Branch("topic"),
    head_sha=CommitSha("b" * 40),
    head_repository=None,
    updated_at=1.5,
)
EVENTS: list[ForgeEvent] = [
    PullRequestChanged(PullRequestAction.SYNCHRONIZED, PULL, ADA),
    BranchPushed(PLACE, Branch("main"), None, CommitSha("c" * 40), is_default=True, actor=None),
    CommentCreated(PLACE, 7, 99, "/approve \x1b ü", ADA, by_bot=False, created_at=3.25),
    Ping(),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_news_are_read_as_they_were_written_and_equal_ones_have_one_name(event: ForgeEvent) -> None:
    payload = payload_of(event)
    assert event_of(payload) == event
    assert name_of(payload) == name_of(payload_of(event_of(payload)))


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"_type": "Ping", "x": 1', b'{"_type": "No"}', b"\xff"])
def test_what_is_no_news_is_told(payload: bytes) -> None:
    with pytest.raises(NotNews):
        event_of(payload)


def test_names_in_news_are_checked() -> None:
    payload = payload_of(EVENTS[1]).replace(b"main", b"-oops")
    with pytest.raises(NotNews):
        event_of(payload)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(None) as store:
        yield store


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


class Desk:
    """A forge that is polled."""

    def __init__(self, store: Store, log: RecordingLog) -> None:
        self.forge = ScriptedForge(capabilities=[ForgeCapability.NEWS])
        self.forge.given = [PLACE]
        self.forge.happened = EVENTS[:2]
        self.store = store
        self.woken = 0
        self.stored = anyio.Event()
        self.at = Polled(OpenForge("scripted", "mine", self.forge), 3600.0)
        self.polling = Polling(store, [self.at], clock=RealClock(), log=log, stored=self._wake)

    def _wake(self) -> None:
        self.woken += 1
        self.stored.set()


async def test_what_was_told_before_is_dropped(store: Store, log: RecordingLog) -> None:
    desk = Desk(store, log)
    since = await desk.polling.ask(desk.at, {})
    assert [each.kind for each in await store.pending_deliveries(limit=9)] == [NEWS_KIND] * 2
    since = await desk.polling.ask(desk.at, since)
    assert desk.woken == 1
    pushed = attrs.evolve(PULL, head_sha=CommitSha("d" * 40), updated_at=9.0)
    desk.forge.happened = [PullRequestChanged(PullRequestAction.SYNCHRONIZED, pushed, ADA)]
    await desk.polling.ask(desk.at, since)
    assert desk.woken == 2
    assert [event_of(each.payload) for each in await store.pending_deliveries(limit=9)][2:] == desk.forge.happened


async def test_of_a_forge_that_tells_by_webhooks_no_command_is_obeyed_again(store: Store, log: RecordingLog) -> None:
    desk = Desk(store, log)
    desk.forge.happened = EVENTS[:3]
    await desk.polling.ask(attrs.evolve(desk.at, told=True), {})
    told = [event_of(each.payload) for each in await store.pending_deliveries(limit=9)]
    assert told == EVENTS[:1]
    await desk.polling.ask(desk.at, {})
    assert len(await store.pending_deliveries(limit=9)) == 3


async def test_a_forge_that_does_not_answer_is_asked_again_and_at_once_where_somebody_says_so(
    store: Store, log: RecordingLog
) -> None:
    desk = Desk(store, log)
    desk.forge.faults = [InfrastructureFault("no network", where="there")]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.polling.run)
        with anyio.fail_after(10):
            await anyio.wait_all_tasks_blocked()
            assert log.warnings("forge_not_polled")
            desk.polling.ask_now()
            await desk.stored.wait()
        tasks.cancel_scope.cancel()
    assert len(await store.pending_deliveries(limit=9)) == 2
