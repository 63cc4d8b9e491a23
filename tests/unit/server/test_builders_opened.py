"""Who builds, from configuration and discovery, with builder types that are made up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from ekaci_core.api import InfrastructureFault, PluginContext, UsageFault
from ekaci_core.builtin.local_builder import LocalBuilderConfig
from ekaci_core.bus import Broadcast
from ekaci_core.config.building import BuildingSettings, MachineBuilding
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.machine_file import MachineFile
from ekaci_core.registry import Instances, Kind, PluginReport, PluginState, Registry
from ekaci_core.registry.admit import Admission
from ekaci_core.server.builders import BuilderPlan, OpenBuilders, fixed_output_jobs
from ekaci_core.server.building import ReviewBuilds
from ekaci_core.server.options import ReviewOptions
from ekaci_core.server.places import Places
from ekaci_core.testing.builders import RealClock, SilentLogger, plugin_context
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix

pytestmark = pytest.mark.anyio

BROKEN = InfrastructureFault("the key is not there", where="key", do="make one")


@attrs.frozen
class FarConfig:
    uri: str
    max_jobs: int = 1
    surprise: Mapping[str, set[str]] | None = None


@attrs.frozen
class FakeType:
    """A type whose builders are named after their address; what ``faults`` has for one is raised instead."""

    name: str
    config: type[Any]
    faults: Mapping[str, Exception] = attrs.field(factory=dict)

    @asynccontextmanager
    async def open(self, config: Any, context: PluginContext) -> AsyncIterator[ScriptedBuilder]:
        del context
        name = getattr(config, "uri", self.name)
        if name in self.faults:
            raise self.faults[name]
        slots = config.max_jobs if isinstance(config, FarConfig) else config.slots or 7
        yield ScriptedBuilder(ScriptedNix(), name=name, slots=slots)


@attrs.frozen
class FindingType(FakeType):
    found: Sequence[FarConfig] | Exception = ()

    async def discover(self, context: PluginContext) -> Sequence[Any]:
        del context
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def registry(far: FakeType | None = None, **local: Exception) -> Registry:
    types = (FakeType("local", LocalBuilderConfig, local), *([far] if far else ()))
    report = PluginReport("fake", "fake", "1.0", PluginState.ACTIVE)
    return Registry([Admission(report, tuple((Kind.BUILDER, each) for each in types))])


def plan_of(known: Registry, *, slots: int | None = None, log_bytes: int = 5, **contents: Any) -> BuilderPlan:
    file = MachineFile("ekaci.toml", contents)
    return BuilderPlan.of(file, known, {}, SilentLogger(), local_slots=slots, log_bytes=log_bytes)


async def opened(known: Registry, *, slots: int | None = None, **contents: Any) -> OpenBuilders:
    plan = plan_of(known, slots=slots, **contents)
    async with Instances(known, plugin_context({})) as instances:
        return await plan.open(instances)


def told(opened: OpenBuilders) -> list[tuple[str, int]]:
    return [(builder.name, builder.slots) for builder in opened.builders]


def far(uri: str, **keys: Any) -> dict[str, Any]:
    return {"uri": uri, **keys}


async def test_this_machine_builds_unless_told_otherwise() -> None:
    assert told(await opened(registry())) == [("local", 7)]
    assert told(await opened(registry(), local_max_jobs=3)) == [("local", 3)]
    assert told(await opened(registry(), builders=[{"type": "local", "slots": 2}])) == [("local", 2)]
    assert told(await opened(registry(), builders=[{"type": "local", "slots": 0}], slots=4)) == [("local", 4)]
    assert told(await opened(registry(), local_max_jobs=3, slots=4)) == [("local", 4)]


def test_the_slots_of_this_machine_are_said_once() -> None:
    with pytest.raises(ConfigurationFault) as raised:
        plan_of(registry(), local_max_jobs=3, builders=[{"type": "local", "slots": 2}])
    assert raised.value.faults == ("builders[0].slots: local_max_jobs says it already",)


def test_logs_of_this_machine_are_bounded_as_the_others_unless_its_table_says_so() -> None:
    def bound(**contents: Any) -> int:
        local = plan_of(registry(), **contents).local
        assert local is not None
        return cast("LocalBuilderConfig", local.config).log_bytes

    assert bound() == 5
    assert bound(builders=[{"type": "local", "slots": 2}]) == 5
    assert bound(builders=[{"type": "local", "log_bytes": 9}]) == 9


async def test_the_order_is_local_configured_discovered_and_nothing_is_opened_twice() -> None:
    finding = FindingType(
        "ssh", FarConfig, found=[FarConfig("ssh://b"), FarConfig("ssh://c", 3), FarConfig("ssh://d", 0)]
    )
    known = registry(finding)
    found = await opened(known, builders=[far("ssh://b", max_jobs=2), far("ssh://a"), far("ssh://e", max_jobs=0)])
    assert told(found) == [("local", 7), ("ssh://b", 2), ("ssh://a", 1), ("ssh://c", 3)]
    assert found.notes == ()


async def test_what_is_configured_and_out_of_use_is_not_discovered() -> None:
    finding = FindingType("ssh", FarConfig, found=[FarConfig("ssh://a", 3)])
    assert told(await opened(registry(finding), builders=[far("ssh://a", max_jobs=0)])) == [("local", 7)]


async def test_one_that_cannot_be_opened_is_a_note() -> None:
    faulty = FindingType(
        "ssh", FarConfig, {"ssh://a": BROKEN, "ssh://b": UsageFault("no such key", where="builders.ssh_key")}
    )
    found = await opened(registry(attrs.evolve(faulty, found=[FarConfig("ssh://b")])), builders=[far("ssh://a")])
    assert told(found) == [("local", 7)]
    assert found.notes == (
        "builder ssh://a cannot be used: key: the key is not there (make one)",
        "builder ssh://b cannot be used: builders.ssh_key: no such key",
    )


@pytest.mark.parametrize("fault", [UsageFault("no machine", where="machines:3"), BROKEN, ZeroDivisionError()])
async def test_what_is_wrong_elsewhere_is_a_note(fault: Exception) -> None:
    found = await opened(registry(FindingType("ssh", FarConfig, found=fault)))
    assert told(found) == [("local", 7)]
    (note,) = found.notes
    assert note.startswith("builders of type ssh that are configured elsewhere cannot be used: ")


async def test_what_a_type_refuses_in_the_file_has_the_address_of_its_table() -> None:
    faulty = FakeType(
        "ssh", FarConfig, {"ssh://b": UsageFault("must not be odd", where="builders.max_jobs", do="write 2")}
    )
    with pytest.raises(ConfigurationFault) as raised:
        await opened(registry(faulty), builders=[far("ssh://a"), far("ssh://b")])
    assert (raised.value.where, raised.value.do) == ("ekaci.toml", "write 2")
    assert raised.value.faults == ("builders[1].max_jobs: must not be odd",)


async def test_where_none_is_left_the_machine_is_at_fault() -> None:
    with pytest.raises(InfrastructureFault, match="the key is not there"):
        await opened(registry(local=BROKEN))
    with pytest.raises(InfrastructureFault) as raised:
        await opened(registry(), local_max_jobs=0)
    assert (raised.value.what, raised.value.where) == ("there is no builder", "ekaci.toml")
    two = FakeType("ssh", FarConfig, {"ssh://a": BROKEN, "ssh://b": BROKEN})
    with pytest.raises(InfrastructureFault) as raised:
        await opened(registry(two), local_max_jobs=0, builders=[far("ssh://a"), far("ssh://b")])
    assert raised.value.what.startswith("there is no builder; builder ssh://a cannot be used: ")
    assert "ssh://b" in raised.value.what


def test_a_class_that_cannot_be_read_from_a_file_is_its_plugins_fault() -> None:
    with pytest.raises(InfrastructureFault, match="contract"):
        plan_of(registry(FakeType("ssh", FarConfig)), builders=[far("a", surprise={"a": [5]})])


def test_fixed_output_derivations_at_once() -> None:
    assert [fixed_output_jobs(BuildingSettings(), each) for each in (1, 2, 3, 4, 5, 64)] == [4, 4, 6, 8, 10, 10]
    assert fixed_output_jobs(BuildingSettings(fod_max_jobs=40), 1) == 40


def test_the_bounds_reach_the_scheduler(tmp_path: Path) -> None:
    builds = ReviewBuilds(
        store=cast("Any", None),
        builders=(),
        bounds=MachineBuilding(None, 3, 30, 60),
        survey=ScriptedNix().survey,
        clock=RealClock(),
        log=SilentLogger(),
        events=Broadcast(),
        places=Places(tmp_path),
        options=ReviewOptions(tmp_path),
    )
    settings = builds._scheduler().settings  # a build that is silent for so long would take too long here
    assert (settings.fixed_output_jobs, settings.no_output_timeout_seconds, settings.max_duration_seconds) == (
        3,
        30,
        60,
    )
