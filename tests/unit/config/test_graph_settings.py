"""How much of a run's graph is in memory, as file and environment say it."""

from __future__ import annotations

import pytest

from ekaci_core.config.building import parse_building
from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.graph import GraphAges, GraphSettings, parse_graph
from ekaci_core.config.machine_file import MachineFile
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.server.builders import graph_limits


def test_defaults_are_those_of_the_specification() -> None:
    assert parse_graph(MachineFile("ekaci.toml"), {}) == GraphSettings(100_000, GraphAges(3600, 21_600, 86_400))
    limits = graph_limits(parse_building(MachineFile("ekaci.toml"), {}))
    assert limits == GraphLimits(100_000)


@pytest.mark.parametrize(
    ("stands", "variable", "capacity"),
    [(7, None, 7), (0, None, 0), (7, "9", 9), (7, "", 7), (7, "0", 0)],
)
def test_the_variable_wins_over_the_file(stands: object, variable: str | None, capacity: int) -> None:
    file = MachineFile("ekaci.toml", {"graph_lru_capacity": stands, "graph": {"tier2_age_seconds": 60}})
    environment = {} if variable is None else {"EKA_CI_GRAPH_LRU_CAPACITY": variable}
    assert parse_graph(file, environment) == GraphSettings(capacity, GraphAges(tier2_age_seconds=60))
    limits = graph_limits(parse_building(file, environment))
    assert limits == GraphLimits(capacity or None, 3600, 60, 86_400)


def test_all_faults_of_a_file_are_told_at_once() -> None:
    table = {"tier1_age_seconds": 0, "tier3_age_seconds": 0.5}
    with pytest.raises(ConfigurationFault) as raised:
        parse_graph(MachineFile("ekaci.toml", {"graph_lru_capacity": -1, "graph": table}), {})
    assert raised.value.faults == (
        "graph_lru_capacity: expected a whole number from 0 (all) to 1000000000, got -1",
        "graph.tier1_age_seconds: expected at least 1, got 0",
        "graph.tier3_age_seconds: expected at least 1, got 0.5",
    )


@pytest.mark.parametrize("table", [{"tier4_age_seconds": 1}, {"tier1_age_seconds": "1"}, 3])
def test_a_wrong_table_is_named(table: object) -> None:
    with pytest.raises(ConfigurationFault) as raised:
        parse_graph(MachineFile("ekaci.toml", {"graph": table}), {})
    assert raised.value.faults[0].startswith("graph")


@pytest.mark.parametrize("text", ["many", "-1", "1.5", "9" * 5000])
def test_a_wrong_variable_is_named(text: str) -> None:
    with pytest.raises(ConfigurationFault) as raised:
        parse_graph(MachineFile("ekaci.toml"), {"EKA_CI_GRAPH_LRU_CAPACITY": text})
    assert raised.value.where == "the environment"
    assert raised.value.faults[0].startswith("EKA_CI_GRAPH_LRU_CAPACITY: expected a whole number from 0 (all) to ")
