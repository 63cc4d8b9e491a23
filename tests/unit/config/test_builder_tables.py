from __future__ import annotations

import attrs
import pytest

from ekaci_core.config.builders import BuilderEntry, parse_builders
from ekaci_core.config.building import MachineBuilding, parse_building
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.machine_file import MachineFile
from ekaci_core.model.errors import UsageFault


def _even(_: object, __: object, value: int) -> None:
    if value % 2:
        raise ValueError(f"{value} is odd")


@attrs.frozen
class Patience:
    seconds: float = 1.0


@attrs.frozen
class Far:
    uri: str
    max_jobs: int = 1
    systems: tuple[str, ...] = ()
    pairs: int = attrs.field(default=2, validator=_even)
    patience: Patience = Patience()


@attrs.frozen
class Here:
    slots: int | None = None


KINDS = {"ssh": Far, "local": Here}


def config_of(name: str) -> type[object]:
    if name not in KINDS:
        raise UsageFault("no active plugin registers this builder", where=name, do="choose one of local, ssh")
    return KINDS[name]


def parse(*tables: object) -> tuple[BuilderEntry, ...]:
    return parse_builders(MachineFile("ekaci.toml", {"builders": list(tables)}), config_of)


def faults_of(*tables: object) -> tuple[str, ...]:
    with pytest.raises(ConfigurationFault) as raised:
        parse(*tables)
    assert raised.value.where == "ekaci.toml"
    assert raised.value.do
    return raised.value.faults


def test_the_type_decides_what_a_table_is() -> None:
    assert parse_builders(MachineFile("ekaci.toml"), config_of) == ()
    assert parse({"type": "local", "slots": 0}, {"type": "ssh", "uri": "a", "patience": {"seconds": 3}}) == (
        BuilderEntry("builders[0]", "local", Here(0)),
        BuilderEntry("builders[1]", "ssh", Far("a", patience=Patience(3))),
    )


def test_what_has_an_address_is_reached_by_ssh() -> None:
    assert parse({"uri": "a", "systems": ["x"]}) == (BuilderEntry("builders[0]", "ssh", Far("a", systems=("x",))),)


def test_every_fault_has_its_address() -> None:
    assert faults_of(
        {"uri": "a"},
        {"uri": "a", "max_jobs": "4", "max_job": 4},
        {"type": "shh", "uri": "a"},
        {"max_jobs": 4},
        {"type": 5},
        "far",
        {"uri": "a", "pairs": 3},
        {"type": "ssh"},
        {"type": "ssh", "uri": "a", "patience": {"seconds": True}},
    ) == (
        'builders[1].max_jobs: expected a whole number, got "4"',
        'builders[1]: unknown key "max_job" (did you mean "max_jobs"?)',
        'builders[2].type: no active plugin registers this builder: "shh"; choose one of local, ssh',
        'builders[3]: the key "type" is missing',
        "builders[4].type: expected a string, got 5",
        'builders[5]: expected a table, got "far"',
        "builders[6]: 3 is odd",
        'builders[7]: the key "uri" is missing',
        "builders[8].patience.seconds: expected a number, got true",
    )


def test_this_machine_is_configured_once() -> None:
    assert faults_of({"type": "local"}, {"uri": "a"}, {"type": "local"}) == (
        "builders[2]: builders[0] is this machine's already, and there is one only",
    )


def test_one_table_is_no_list() -> None:
    with pytest.raises(ConfigurationFault, match=r"\[\[builders\]\]"):
        parse_builders(MachineFile("ekaci.toml", {"builders": {"uri": "a"}}), config_of)


def test_bounds_of_building_come_from_file_and_environment() -> None:
    file = MachineFile("ekaci.toml", {"fod_max_jobs": 3, "local_max_jobs": 0, "build_max_duration_seconds": 60})
    assert parse_building(MachineFile("ekaci.toml"), {}) == MachineBuilding(None, None, 1200, 14400)
    assert parse_building(file, {}) == MachineBuilding(0, 3, 1200, 60)
    environment = {
        "EKA_CI_FOD_MAX_JOBS": "7",
        "EKA_CI_LOCAL_MAX_JOBS": "",
        "EKA_CI_BUILD_NO_OUTPUT_TIMEOUT_SECONDS": "30",
    }
    assert parse_building(file, environment) == MachineBuilding(0, 7, 30, 60)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("fod_max_jobs", 0, "expected a whole number from 1 to 10000, got 0"),
        ("local_max_jobs", -1, "expected a whole number from 0 to 10000, got -1"),
        ("local_max_jobs", True, "expected a whole number from 0 to 10000, got true"),
        ("build_no_output_timeout_seconds", 29, "expected a whole number from 30 to 86400, got 29"),
        ("build_max_duration_seconds", "60", 'expected a whole number from 60 to 604800, got "60"'),
    ],
)
def test_bounds_out_of_bounds_are_refused(key: str, value: object, said: str) -> None:
    with pytest.raises(ConfigurationFault) as raised:
        parse_building(MachineFile("ekaci.toml", {key: value}), {})
    assert (raised.value.where, raised.value.faults) == ("ekaci.toml", (f"{key}: {said}",))


@pytest.mark.parametrize("text", ["many", "-1", "1.5", "٣", "9" * 5000])
def test_a_wrong_variable_is_named(text: str) -> None:
    with pytest.raises(ConfigurationFault) as raised:
        parse_building(MachineFile("ekaci.toml"), {"EKA_CI_LOCAL_MAX_JOBS": text})
    assert raised.value.where == "the environment"
    assert raised.value.faults[0].startswith("EKA_CI_LOCAL_MAX_JOBS: expected a whole number from 0 to 10000, got ")
