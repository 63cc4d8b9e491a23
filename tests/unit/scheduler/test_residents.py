"""What leaves memory, when, and what is told of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
import pytest

from ekaci_core.model.build import Build, BuildEvent, BuildState, Failed, Interrupted, Started, Succeeded
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.scheduler.build_graph import BuildGraph
from ekaci_core.scheduler.claims import Claims
from ekaci_core.scheduler.graph_limits import GraphLimits
from ekaci_core.scheduler.graph_metrics import GraphMetrics
from ekaci_core.scheduler.ledger import Ledger
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Placement
from ekaci_core.scheduler.residents import SWEEP_SECONDS, Residents
from ekaci_core.store import Store, open_store
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path

pytestmark = pytest.mark.anyio

S: Final = BuildState


class HandClock:
    """Goes on when it is told to."""

    seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


class Notes:
    """A logger that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.told = anyio.Event()

    def debug(self, event: str, /, **fields: object) -> None:
        assert fields["derivations"] == 1
        self._note("DEBUG", event, {})

    def info(self, event: str, /, **fields: object) -> None:
        self._note("INFO", event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._note("WARN", event, fields)

    def _note(self, level: str, event: str, fields: dict[str, object]) -> None:
        assert not fields
        self.lines.append(f"{level} {event}")
        self.told.set()


class Bench:
    """A graph of which most is stored, and the door to it."""

    def __init__(self, store: Store, nix: ScriptedNix, limits: GraphLimits) -> None:
        self.clock, self.graph, self.metrics, self.log = HandClock(), BuildGraph(), GraphMetrics(), Notes()
        placement = Placement([ScriptedBuilder(nix)])
        ledger = Ledger(store, self.clock, Claims(store, self.clock, lease_seconds=60))
        self.residents = Residents(store, self.graph, placement, ledger, limits, self.clock, self.metrics, self.log)
        self.keys: dict[str, int] = {}
        self._lane = placement.lane_of(next(iter(nix.records.values())))
        self._nix = nix

    async def fill(self, store: Store) -> None:
        ids = await store.derivation_ids([record.path for record in self._nix.records.values()])
        self.keys = {drv.name: int(key) for drv, key in ids.items()}
        nodes = []
        for name, record in self._nix.records.items():
            inputs = [self.keys[each.name] for each in record.inputs]
            nodes.append(Node(self.keys[name], Build(record.path), self._lane, inputs=inputs))
        self.graph.add(nodes, {}, {})
        self.residents.make_room()

    def happen(self, name: str, *events: BuildEvent) -> None:
        for event in events:
            self.graph.apply(self.graph.nodes[self.keys[name]], event, "so")

    def there(self) -> set[str]:
        return {node.build.drv.name for node in self.graph.nodes.values()}


@asynccontextmanager
async def bench(nix: ScriptedNix, limits: GraphLimits) -> AsyncIterator[Bench]:
    async with open_store(None) as store:
        await nix.evaluated(store)
        made = Bench(store, nix, limits)
        await made.fill(store)
        yield made


def row_of(count: int) -> ScriptedNix:
    nix = ScriptedNix()
    for number in range(count):
        nix.derivation(f"n{number}")
    return nix


async def test_each_tier_leaves_at_its_age() -> None:
    nix = row_of(4)
    nix.derivation("above", ["n1"])
    async with bench(nix, GraphLimits(100)) as made:
        made.residents.sweep()
        made.happen("n0", Started(), Succeeded())
        made.happen("n1", Started(), Failed(final=True))
        made.happen("n2", Started(), Interrupted(S.TIMEOUT))
        for seconds, expected in [
            (3599, {"above", "n0", "n1", "n2", "n3"}),
            (3601, {"n0", "n1", "n2", "n3"}),
            (21_601, {"n0", "n3"}),
            (86_399, {"n0", "n3"}),
            (86_401, {"n3"}),
        ]:
            made.clock.seconds = seconds
            made.residents.sweep()
            assert made.there() == expected
        assert made.residents.metrics().evictions == {
            S.TRANSITIVE_FAILURE: 1,
            S.FAILURE: 1,
            S.TIMEOUT: 1,
            S.SUCCESS: 1,
        }


async def test_what_was_asked_for_stays_longer() -> None:
    async with bench(row_of(2), GraphLimits(100)) as made:
        made.residents.sweep()
        made.happen("n0", Started(), Succeeded())
        made.happen("n1", Started(), Succeeded())
        made.clock.seconds = 80_000
        assert set(await made.residents.find([drv_path("n1"), drv_path("unknown")])) == {drv_path("n1")}
        made.clock.seconds = 90_000
        made.residents.sweep()
        assert made.there() == {"n1"}
        assert (made.metrics.hits, made.metrics.misses) == (1, 0)


async def test_where_room_is_needed_tiers_go_one_after_the_other_the_oldest_first() -> None:
    nix = row_of(6)
    nix.derivation("transitive", ["n4"])
    nix.derivation("waiting", ["n5", "n3"])
    nix.derivation("later", ["waiting"])
    async with bench(nix, GraphLimits(100)) as made:
        made.residents.sweep()
        made.happen("n2", Started(), Succeeded())
        made.happen("n1", Started(), Succeeded())
        made.happen("n0", Started(), Interrupted(S.OUT_OF_MEMORY))
        made.happen("n4", Started(), Failed(final=True))
        order = []
        for room in range(92, 105):
            before = made.there()
            made.residents.make_room(room)
            order += sorted(before - made.there())
        assert order == ["transitive", "n0", "n4", "n2", "n1", "later"]
        assert made.there() == {"n3", "n5", "waiting"}, "what may start stays, and so do its neighbours"
        figures = made.residents.metrics()
        assert (figures.nodes, figures.pinned, figures.total) == (3, 3, 9)


async def test_what_comes_back_is_the_same_for_whoever_kept_it() -> None:
    nix = row_of(1)
    nix.derivation("above", ["n0"])
    nix.derivation("top", ["above"])
    async with bench(nix, GraphLimits(1)) as made:
        kept = (await made.residents.find([drv_path("top")]))[drv_path("top")]
        made.residents.make_room()
        assert "top" not in made.there()
        assert (await made.residents.find([drv_path("top")]))[drv_path("top")] is kept
        assert made.log.lines == ["DEBUG Cache miss: reloading"] * 2
        assert made.graph.inputs(kept.key) == [made.keys["above"]]
        assert made.graph.dependents(made.keys["above"]) == [kept.key]


async def test_a_failing_store_is_told() -> None:
    async with open_store(None) as store:
        nix = row_of(1)
        nix.derivation("above", ["n0"])
        nix.derivation("top", ["above"])
        await nix.evaluated(store)
        made = Bench(store, nix, GraphLimits(1))
        await made.fill(store)
    with pytest.raises((InfrastructureFault, ValueError)):  # the store is closed
        await made.residents.find([drv_path("top")])


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        (9, ["INFO Cache status: 9/20 nodes (45.0% utilized), 9 pinned"]),
        (
            17,
            [
                "INFO Cache status: 17/20 nodes (85.0% utilized), 17 pinned",
                "WARN Cache utilization elevated (85.0%): Monitor for potential capacity issues",
            ],
        ),
        (
            19,
            [
                "INFO Cache status: 19/20 nodes (95.0% utilized), 19 pinned",
                "WARN Cache utilization HIGH (95.0%): Consider increasing EKA_CI_GRAPH_LRU_CAPACITY (current: 20)",
            ],
        ),
    ],
)
async def test_the_log_is_told_every_five_minutes(taken: int, told: list[str]) -> None:
    assert SWEEP_SECONDS * 5 == 300
    async with bench(row_of(taken), GraphLimits(20)) as made, anyio.create_task_group() as tasks:

        async def look_after() -> None:
            await made.residents.look_after(every_seconds=0.001)

        tasks.start_soon(look_after)
        with anyio.fail_after(20):
            await made.log.told.wait()
        tasks.cancel_scope.cancel()
    assert made.log.lines[: len(told)] == told


async def test_without_a_bound_there_is_nothing_to_tell() -> None:
    async with bench(row_of(3), GraphLimits()) as made:
        await made.residents.look_after()
        made.clock.seconds = 1e9
        made.residents.sweep()
        assert (made.there(), made.log.lines) == ({"n0", "n1", "n2"}, [])


async def test_metrics_have_the_names_of_the_specification() -> None:
    nix = row_of(2)
    nix.derivation("above", ["n0"])
    nix.derivation("top", ["above"])
    async with bench(nix, GraphLimits(2)) as made:
        await made.residents.find([drv_path("top")])
        made.residents.make_room()
        samples = list(made.residents.metrics().samples())
        value = {(each.name, each.labels): each.value for each in samples}
        assert len(value) == len(samples)
        assert {each.name.removeprefix("eka_ci_graph_") for each in samples} == {
            "cache_capacity",
            "cache_hits_total",
            "cache_misses_total",
            "cache_reload_duration_seconds_bucket",
            "cache_reload_duration_seconds_count",
            "cache_reload_duration_seconds_sum",
            "cache_reloads_total",
            "cache_size",
            "cache_utilization",
            "eviction_candidates_total",
            "evictions_total",
            "memory_bytes_estimate",
            "nodes_total",
            "pinned_nodes_total",
        }
        assert value["eka_ci_graph_cache_reloads_total", ()] == 1
        assert value["eka_ci_graph_cache_utilization", ()] == 1.5, "what is pinned exceeds it"
        assert value["eka_ci_graph_nodes_total", (("state", "Buildable"),)] == 2
        assert value["eka_ci_graph_evictions_total", (("tier", "Queued"),)] == 2
        assert value["eka_ci_graph_cache_reload_duration_seconds_bucket", (("le", "+Inf"),)] == 1
        assert ("eka_ci_graph_eviction_candidates_total", (("tier", "tier3_completed_success"),)) in value
