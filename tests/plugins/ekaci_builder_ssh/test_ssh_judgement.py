"""What a builder makes of what Nix says, with a Nix that says what it is told to and a clock that is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_builder_ssh.builder import SshBuilder
from ekaci_builder_ssh.connection import Connection
from ekaci_builder_ssh.machine import Machine
from ekaci_core.api import (
    BuildFailed,
    BuildInterrupted,
    BuildOutcome,
    BuildRequest,
    BuildState,
    Built,
    DerivationRecord,
    DrvPath,
    InfrastructureFault,
    NixAnswer,
    NixConversation,
    Output,
    PluginContext,
    Realised,
    StorePath,
    System,
    TransientKind,
)
from ekaci_core.testing.builders import SilentLogger

pytestmark = pytest.mark.anyio

LINUX = System("x86_64-linux")
DRV = DrvPath.parse("/nix/store/00000000000000000000000000000000-a.drv")
OUT = StorePath.parse("/nix/store/11111111111111111111111111111111-a")
INPUT = StorePath.parse("/nix/store/22222222222222222222222222222222-b")
RECORD = DerivationRecord(path=DRV, name="a", system=LINUX, inputs=(), outputs=(Output("out", OUT),))
WELL = NixAnswer(0, "", "")
REFUSED = NixAnswer(1, "", "ssh: connect to host far port 22: Connection refused\nerror: cannot connect to 'far'\n")
UNTRUSTED = NixAnswer(1, "", "error: cannot add path 'x' because it lacks a signature by a trusted key\n")


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@attrs.define
class TalkingNix:
    """Answers in the order of its script, then always well; says what it was asked and how much at once."""

    answers: list[NixAnswer | InfrastructureFault] = attrs.field(factory=list)
    realised: Realised = attrs.field(factory=lambda: Realised(Built()))
    asked: list[Sequence[str]] = attrs.field(factory=list)
    seconds: float = 0
    running: int = 0
    most: int = 0

    async def realise(
        self,
        request: BuildRequest,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        side_is_log: bool = False,
        relayed_errors: bool = False,
    ) -> Realised:
        del request, environment, side_is_log, relayed_errors
        self.asked.append(arguments)
        return self.realised

    async def follow(self, request: BuildRequest, converse: NixConversation) -> Realised:
        del request, converse
        raise AssertionError("this builder has no daemon to talk to")

    async def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout_seconds: float = 60
    ) -> NixAnswer:
        del environment, timeout_seconds
        self.asked.append(argv)
        self.running += 1
        self.most = max(self.most, self.running)
        await anyio.sleep(self.seconds)
        self.running -= 1
        answer = self.answers.pop(0) if self.answers else WELL
        if isinstance(answer, InfrastructureFault):
            raise answer
        return answer

    async def inputs(self, drv: DrvPath) -> tuple[StorePath, ...]:
        del drv
        return (INPUT,)


@pytest.fixture
def nix() -> TalkingNix:
    return TalkingNix()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def builder(nix: TalkingNix, clock: SetClock) -> SshBuilder:
    context = PluginContext(clock=clock, log=SilentLogger(), environment={}, nix=nix)
    return SshBuilder(Machine("ssh-ng://far", max_jobs=2), frozenset({LINUX}), Connection({}), context)


@pytest.fixture
def request_to_build(tmp_path: Path) -> BuildRequest:
    return BuildRequest(derivation=RECORD, log=tmp_path / "build.log")


async def judged(builder: SshBuilder, nix: TalkingNix, request: BuildRequest, realised: Realised) -> BuildOutcome:
    nix.realised = realised
    return await builder.build(request)


async def test_what_was_copied_is_known_and_not_copied_again(
    builder: SshBuilder, nix: TalkingNix, request_to_build: BuildRequest
) -> None:
    assert builder.present([INPUT, OUT]) == 0
    assert await builder.prepare(request_to_build) is None
    assert builder.present([INPUT, OUT]) == 1
    assert ["--derivation" in each for each in nix.asked] == [False, True, False], "greeting, derivation, inputs"
    nix.asked.clear()
    assert await builder.prepare(request_to_build) is None
    assert nix.asked == []
    assert await builder.build(request_to_build) == Built()
    assert builder.present([INPUT, OUT]) == 2


async def test_a_failed_copy_is_not_remembered(
    builder: SshBuilder, nix: TalkingNix, request_to_build: BuildRequest
) -> None:
    nix.answers = [WELL, WELL, UNTRUSTED]
    outcome = await builder.prepare(request_to_build)
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.transient is None, "it does not pass by itself"
    assert "trusted-users" in outcome.reason
    assert builder.present([INPUT]) == 0


async def test_a_machine_is_greeted_after_a_minute_of_silence(
    builder: SshBuilder, nix: TalkingNix, clock: SetClock, request_to_build: BuildRequest
) -> None:
    assert await builder.prepare(request_to_build) is None
    nix.asked.clear()
    clock.at += 59
    assert await builder.prepare(request_to_build) is None
    assert nix.asked == []
    clock.at += 1
    assert await builder.prepare(request_to_build) is None
    assert [each[0] for each in nix.asked] == ["nix-store"]


async def test_only_failed_connections_in_a_short_time_open_the_circuit(
    builder: SshBuilder, nix: TalkingNix, clock: SetClock, request_to_build: BuildRequest
) -> None:
    for passed in (0, 100, 100):
        clock.at += passed
        nix.answers = [REFUSED]
        await builder.prepare(request_to_build)
        assert builder.slots == 2
    nix.answers = [InfrastructureFault("no memory left", where="nix-store")]
    outcome = await builder.prepare(request_to_build)
    assert isinstance(outcome, BuildInterrupted)
    assert "could not be run" in outcome.reason
    assert builder.slots == 2, "the machine was not even asked"
    nix.answers = [REFUSED]
    clock.at += 1
    await builder.prepare(request_to_build)
    assert builder.slots == 0
    nix.asked.clear()
    outcome = await builder.prepare(request_to_build)
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.transient is TransientKind.BUILDER_LOST
    assert nix.asked == [], "at once"


async def test_a_failed_connection_after_the_build_loses_the_build_and_not_its_verdict(
    builder: SshBuilder, nix: TalkingNix, request_to_build: BuildRequest
) -> None:
    nix.answers = [REFUSED]
    outcome = await builder.build(request_to_build)
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.transient is TransientKind.BUILDER_LOST
    assert builder.present([OUT]) == 0


async def test_outputs_that_cannot_be_kept_are_no_success(
    builder: SshBuilder, nix: TalkingNix, request_to_build: BuildRequest, tmp_path: Path
) -> None:
    request = attrs.evolve(request_to_build, gc_root=tmp_path / "roots/result")
    nix.answers = [WELL, NixAnswer(1, "", "error: path is gone\n")]
    outcome = await builder.build(request)
    assert isinstance(outcome, BuildInterrupted)
    assert "could not be kept in the store: path is gone" in outcome.reason
    (tmp_path / "file").touch()
    outcome = await builder.build(attrs.evolve(request, gc_root=tmp_path / "file/roots/result"))
    assert isinstance(outcome, BuildInterrupted)
    assert outcome.infrastructure


FAILED = BuildFailed("builder failed with exit code 3", exit_status=3)
TIMEOUT = BuildInterrupted(BuildState.TIMEOUT, "no output for 5 seconds")
MACHINE = BuildInterrupted(BuildState.PROCESS_DEATH, "the store cannot be written", infrastructure=True)


@pytest.mark.parametrize(
    ("realised", "transient"),
    [
        (Realised(MACHINE, ("unexpected end-of-file",)), TransientKind.BUILDER_LOST),
        (Realised(FAILED, ("unexpected end-of-file", "builder for '' failed with exit code 1")), "builder lost"),
        (Realised(MACHINE, ("writing to file: No space left on device",)), TransientKind.DISK),
        (Realised(MACHINE, ("a '' with features {} is required to build ''",)), TransientKind.BUILDER_LOST),
        (Realised(MACHINE, ("cannot open connection to remote store ''",), aside=("Permission denied (x).",)), "ssh"),
        (Realised(TIMEOUT), TransientKind.BUILDER_LOST),
        (Realised(MACHINE, ("something else",)), None),
        (Realised(MACHINE), None),
    ],
)
async def test_what_nix_says_of_the_machine_interrupts(
    builder: SshBuilder, nix: TalkingNix, request_to_build: BuildRequest, realised: Realised, transient: str | None
) -> None:
    outcome = await judged(builder, nix, request_to_build, realised)
    assert isinstance(outcome, BuildInterrupted)
    assert (outcome.kind, outcome.transient, outcome.infrastructure) == (BuildState.PROCESS_DEATH, transient, True)
    assert outcome.reason.startswith("ssh-ng://far: ")


@pytest.mark.parametrize(
    "realised",
    [
        Realised(FAILED, ("builder for '' failed with exit code 3",), began=True),
        Realised(FAILED, ("builder for '' failed with exit code 3",), aside=("Connection refused",)),
        Realised(TIMEOUT, began=True),
    ],
)
async def test_what_nix_says_of_the_build_stays(
    builder: SshBuilder, nix: TalkingNix, request_to_build: BuildRequest, realised: Realised
) -> None:
    assert await judged(builder, nix, request_to_build, realised) is realised.outcome


async def test_what_was_collected_is_forgotten(
    builder: SshBuilder, nix: TalkingNix, request_to_build: BuildRequest
) -> None:
    assert await builder.prepare(request_to_build) is None
    await judged(builder, nix, request_to_build, Realised(MACHINE, ("path '' is not valid",)))
    assert builder.present([INPUT]) == 0


async def test_what_it_does_not_build_it_is_asked_for_again_after_ten_minutes(
    builder: SshBuilder, nix: TalkingNix, clock: SetClock, request_to_build: BuildRequest
) -> None:
    lies = Realised(MACHINE, ("a '' with features {} is required to build ''",))
    await judged(builder, nix, request_to_build, lies)
    nix.asked.clear()
    clock.at += 599
    assert isinstance(await builder.prepare(request_to_build), BuildInterrupted)
    assert nix.asked == []
    other = attrs.evolve(request_to_build, derivation=attrs.evolve(RECORD, features=("kvm",)))
    assert await builder.prepare(other) is None, "what else it builds"
    clock.at += 1
    assert await builder.prepare(request_to_build) is None


async def test_content_addressed_outputs_are_built_by_the_hook(
    builder: SshBuilder, nix: TalkingNix, request_to_build: BuildRequest
) -> None:
    floating = attrs.evolve(RECORD, outputs=(Output("out", None, "r:sha256"),))
    assert await builder.build(attrs.evolve(request_to_build, derivation=floating)) == Built()
    assert [each for each in nix.asked if "builders" in each]
    assert await builder.build(request_to_build) == Built()
    assert nix.asked[1] == ["--store", "ssh-ng://far"]


async def test_few_copies_run_at_once(builder: SshBuilder, nix: TalkingNix, request_to_build: BuildRequest) -> None:
    nix.seconds = 0.01
    async with anyio.create_task_group() as tasks:
        for number in range(12):
            path = DrvPath.parse(f"/nix/store/{number:032}-a.drv")
            request = attrs.evolve(request_to_build, derivation=attrs.evolve(RECORD, path=path))
            tasks.start_soon(builder.prepare, request)
    assert nix.most == 3
