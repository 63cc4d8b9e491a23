from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.ids import StorePath, System
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Lane, Placement
from ekaci_core.scheduler.ready_queue import ReadyQueue
from ekaci_core.scheduler.wishes import Share
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path

INTEL, ARM, BUILTIN = System("x86_64-linux"), System("aarch64-linux"), System("builtin")


def builder(slots: int, *systems: System, features: tuple[str, ...] = (), **traits: Any) -> ScriptedBuilder:
    made = ScriptedBuilder(ScriptedNix(), slots=slots, systems=systems, features=features)
    return made if not traits else Remote(made, **traits)


class Remote(ScriptedBuilder):
    """A builder elsewhere."""

    def __init__(
        self,
        like: ScriptedBuilder,
        *,
        speed: float = 1.0,
        mandatory: tuple[str, ...] = (),
        has: tuple[str, ...] = (),
    ) -> None:
        super().__init__(ScriptedNix(), slots=like.slots, systems=like.systems, features=like.features)
        self._speed, self._mandatory, self._has = speed, frozenset(mandatory), frozenset(has)

    @property
    def is_local(self) -> bool:
        return False

    @property
    def speed_factor(self) -> float:
        return self._speed

    @property
    def mandatory_features(self) -> frozenset[str]:
        return self._mandatory

    def present(self, paths: Collection[StorePath]) -> int:
        return len(self._has.intersection(paths))


def record(system: System, *features: str, prefer_local: bool = False, fixed: bool = False) -> DerivationRecord:
    output = Output("out", None, "sha256", "00") if fixed else Output("out", None)
    return DerivationRecord(
        path=drv_path("n"),
        name="n",
        system=system,
        inputs=(),
        outputs=(output,),
        features=features,
        prefer_local=prefer_local,
    )


def node(key: int, lane: Lane, *, priority: int = 1, chain: float = 1, shares: tuple[Share, ...] = (Share(),)) -> Node:
    build = Build(drv_path(f"n{key}"), BuildState.BUILDABLE)
    return Node(key=key, build=build, lane=lane, priority=priority, chain=chain, shares=shares)


def able(placement: Placement, system: System, *features: str) -> tuple[int, ...]:
    return placement.lane_of(record(system, *features)).builders


def test_a_builder_needs_platform_and_every_feature() -> None:
    placement = Placement([builder(1, INTEL), builder(1, INTEL, ARM, features=("kvm", "big"))])
    assert able(placement, INTEL) == (0, 1)
    assert able(placement, ARM) == (1,)
    assert able(placement, INTEL, "kvm") == (1,)
    assert able(placement, BUILTIN) == (0, 1)
    assert able(placement, INTEL, "kvm", "gpu") == ()
    assert able(placement, System("riscv64-linux")) == ()
    assert not placement.lane_of(record(System("riscv64-linux")))


def test_what_does_not_require_the_mandatory_features_of_a_builder_is_not_for_it() -> None:
    placement = Placement([builder(1, INTEL, features=("gpu", "kvm"), mandatory=("gpu",))])
    assert able(placement, INTEL, "gpu") == able(placement, INTEL, "gpu", "kvm") == (0,)
    assert able(placement, INTEL, "kvm") == ()
    assert (
        placement.why_none(INTEL, ["kvm"]) == "every builder for x86_64-linux only takes what requires the feature gpu"
    )


def test_the_reason_names_what_is_missing_at_the_best_builder() -> None:
    placement = Placement([builder(1, INTEL), builder(1, INTEL, features=("kvm",))])
    assert placement.why_none(ARM, ()) == "no builder builds for aarch64-linux"
    assert placement.why_none(INTEL, ["kvm", "gpu"]) == "no builder for x86_64-linux has the feature gpu"
    assert placement.why_none(INTEL, ["gpu", "big"]) == "no builder for x86_64-linux has the features big, gpu"
    assert Placement([]).why_none(INTEL, ()) == "there is no builder"


def test_what_prefers_this_machine_leaves_it_only_if_it_must() -> None:
    placement = Placement([builder(1, INTEL), builder(9, INTEL, ARM, speed=9)])
    assert placement.lane_of(record(INTEL, prefer_local=True)).builders == (0,)
    assert placement.lane_of(record(ARM, prefer_local=True)).builders == (1,)


def test_fixed_outputs_have_a_capacity_of_their_own_and_take_no_slot() -> None:
    placement = Placement([builder(1, INTEL)], fixed_output_jobs=2)
    fetch, build = placement.lane_of(record(INTEL, fixed=True)), placement.lane_of(record(INTEL))
    assert fetch != build
    placement.take(0, build)
    for _ in range(2):
        assert placement.free(fetch) == 0
        placement.take(0, fetch)
    assert placement.free(fetch) is None
    placement.give_back(0, build)
    assert placement.free(build) == 0
    assert placement.free(fetch) is None
    placement.give_back(0, fetch)
    assert placement.free(fetch) == 0


def test_the_builder_with_most_free_slots_is_chosen() -> None:
    placement = Placement([builder(1, INTEL), builder(3, INTEL)])
    lane = placement.lane_of(record(INTEL))
    taken = []
    while (at := placement.free(lane)) is not None:
        placement.take(at, lane)
        taken.append(at)
    assert taken == [1, 1, 0, 1]
    placement.give_back(0, lane)
    assert placement.free(lane) == 0
    assert placement.free(Lane((1,))) is None


def test_a_faster_builder_goes_first_then_the_one_that_has_the_inputs() -> None:
    inputs = [drv_path("a"), drv_path("b")]
    remotes = [builder(1, INTEL, speed=2, has=inputs[:1]), builder(1, INTEL, speed=2, has=inputs), builder(9, INTEL)]
    placement = Placement(remotes)
    lane = placement.lane_of(record(INTEL))
    taken = []
    for _ in range(3):
        at = placement.free(lane, inputs)
        assert at is not None
        placement.reserve(at)
        taken.append(at)
    assert taken == [1, 0, 2]
    placement.unreserve(0)
    assert placement.free(lane, inputs) == 0


def test_slots_that_go_and_come_back_are_seen() -> None:
    remote = builder(1, INTEL)
    placement = Placement([remote])
    lane = placement.lane_of(record(INTEL))
    remote.slots = 0
    assert placement.free(lane) is None
    remote.slots = 2
    assert placement.free(lane) == 0


def test_shares_take_turns_and_one_of_twice_the_weight_gets_twice_as_much() -> None:
    placement, queue = Placement([builder(99, INTEL)]), ReadyQueue()
    small, large = Share("small"), Share("large", 2.0)
    for key in range(10):
        queue.push(node(key, Lane((0,)), shares=(small,)))
        queue.push(node(100 + key, Lane((0,)), shares=(large,)))
    first = [found.key for _ in range(9) if (found := queue.pop(placement))]
    assert sorted(first) == [0, 1, 2, 100, 101, 102, 103, 104, 105]


def test_one_package_does_not_wait_for_a_mass_rebuild() -> None:
    placement, queue = Placement([builder(999, INTEL)]), ReadyQueue()
    for key in range(200):
        queue.push(node(key, Lane((0,)), chain=50, shares=(Share("mass"),)))
    for _ in range(100):
        queue.pop(placement)
    queue.push(node(900, Lane((0,)), shares=(Share("small"),)))
    found = [each.key for _ in range(2) if (each := queue.pop(placement))]
    assert 900 in found


def test_of_two_that_had_as_much_the_shorter_goes_first() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    mass = node(1, Lane((0,)), chain=5000, shares=(Share("mass"),))
    small = node(2, Lane((0,)), chain=5, shares=(Share("small"),))
    mass.seconds, small.seconds = 300.0, 5.0
    queue.push(mass)
    queue.push(small)
    assert [found.key for _ in range(2) if (found := queue.pop(placement))] == [2, 1]


def test_a_stream_of_short_builds_does_not_starve_a_long_one() -> None:
    placement, queue = Placement([builder(999, INTEL)]), ReadyQueue()
    long = node(0, Lane((0,)), chain=100, shares=(Share("long"),))
    long.seconds = 100.0
    queue.push(long)
    found = []
    for key in range(1, 50):
        short = node(key, Lane((0,)), chain=5, shares=(Share(f"short-{key}"),))
        short.seconds = 5.0
        queue.push(short)
        each = queue.pop(placement)
        assert each is not None
        queue.ended(each.key)
        found.append(each)
    assert found.index(long) == 38, "two shared, and half of the time has to be as long as it takes, less the other's"


def lengths(found: Node, seconds: float, chain: float) -> Node:
    found.seconds, found.chain = seconds, chain
    return found


def test_the_share_that_will_be_done_first_goes_first() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    queue.push(lengths(node(1, Lane((0,)), shares=(Share("long"),)), 5, 500))
    queue.push(lengths(node(2, Lane((0,)), shares=(Share("short"),)), 10, 20))
    assert [found.key for _ in range(2) if (found := queue.pop(placement))] == [2, 1]


def test_a_small_change_keeps_its_place_to_its_end() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    small, other = Share("small"), Share("other")
    first = lengths(node(1, Lane((0,)), shares=(small,)), 10, 30)
    queue.push(first)
    assert queue.pop(placement) is first
    for key in range(10, 13):
        queue.push(lengths(node(key, Lane((0,)), shares=(other,)), 100, 100))
    assert queue.pop(placement) is not first
    assert queue.pop(placement) is not first
    queue.push(lengths(node(2, Lane((0,)), shares=(small,)), 20, 20))
    queue.ended(first.key)
    found = queue.pop(placement)
    assert found is not None
    assert found.key == 2, "it had its build in hand in between, and did not want nothing"


def test_who_wanted_nothing_for_a_while_has_saved_up_nothing() -> None:
    placement, queue = Placement([builder(99, INTEL)]), ReadyQueue()
    idle, busy = Share("idle"), Share("busy")
    first = lengths(node(1, Lane((0,)), shares=(idle,)), 10, 10)
    queue.push(first)
    assert queue.pop(placement) is first
    queue.ended(first.key)
    for key in range(100, 140):
        queue.push(lengths(node(key, Lane((0,)), shares=(busy,)), 10, 10))
    for _ in range(20):
        each = queue.pop(placement)
        assert each is not None
        queue.ended(each.key)
    for key in range(10, 30):
        queue.push(lengths(node(key, Lane((0,)), shares=(idle,)), 10, 10))
    found = [each.key for _ in range(10) if (each := queue.pop(placement))]
    assert sum(key >= 100 for key in found) == 5, "they take turns"


def test_a_large_change_waits_no_longer_than_its_own_way_takes() -> None:
    placement, queue = Placement([builder(999, INTEL)]), ReadyQueue()
    for key in range(500, 600):
        queue.push(lengths(node(key, Lane((0,)), shares=(Share("large"),)), 10, 200))
    found = [False]
    for key in range(100):
        if not found[-1]:  # there is always one that is small, and never two
            queue.push(lengths(node(key, Lane((0,)), shares=(Share(f"small-{key}"),)), 10, 10))
        each = queue.pop(placement)
        assert each is not None
        queue.ended(each.key)
        found.append(each.key >= 500)
    assert found.index(True) <= 40, "half of the time is its"
    assert sum(found[40:]) >= 25, "and has its part from then on"


def test_who_comes_late_begins_where_its_lane_stands() -> None:
    placement, queue = Placement([builder(999, INTEL), builder(999, ARM)]), ReadyQueue()
    for key in range(10):
        queue.push(node(key, Lane((1,)), shares=(Share("first"),)))
    queue.pop(placement)
    for key in range(100, 190):
        queue.push(node(key, Lane((0,)), priority=2, shares=(Share("busy"),)))
    for _ in range(90):
        queue.pop(placement)
    queue.push(node(200, Lane((1,)), shares=(Share("late"),)))
    found = [each.key for _ in range(2) if (each := queue.pop(placement))]
    assert 200 in found, "what another lane has done in the meantime is not held against it"


def test_what_several_want_is_built_once_in_the_first_turn_of_any() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    queue.push(node(1, Lane((0,)), shares=(Share("one"), Share("two"))))
    queue.push(node(2, Lane((0,)), shares=(Share("two"),)))
    assert queue.waiting
    assert [found.key if (found := queue.pop(placement)) else None for _ in range(3)] == [1, 2, None]
    assert not queue.waiting


def test_priority_goes_before_fairness() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    queue.push(node(1, Lane((0,)), priority=0, shares=(Share("patient"),)))
    for key in (2, 3):
        queue.push(node(key, Lane((0,)), priority=1, shares=(Share("head"),)))
    assert [found.key for _ in range(3) if (found := queue.pop(placement))] == [2, 3, 1]


def test_the_queue_hands_out_by_rank_and_each_node_once() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    nodes = [
        node(1, Lane((0,))),
        node(2, Lane((0,)), chain=5),
        node(3, Lane((0,)), priority=2),
        node(4, Lane((0,)), chain=5),
    ]
    for each in [*nodes, nodes[0], nodes[2]]:
        queue.push(each)
    order = []
    while found := queue.pop(placement):
        placement.take(0, found.lane)
        order.append(found.key)
    assert order == [3, 2, 4, 1]


def test_a_node_whose_rank_rose_moves_forward_and_its_old_place_is_void() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    first, second = node(1, Lane((0,))), node(2, Lane((0,)))
    queue.push(first)
    queue.push(second)
    second.priority = 2
    queue.push(second)
    assert [found.key if (found := queue.pop(placement)) else None for _ in range(3)] == [2, 1, None]


def test_what_is_no_longer_runnable_is_dropped() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    gone = node(1, Lane((0,)))
    queue.push(gone)
    gone.build = Build(gone.build.drv, BuildState.CANCELLED)
    assert queue.pop(placement) is None


def test_lanes_do_not_hold_up_each_other() -> None:
    placement, queue = Placement([builder(1, ARM), builder(1, INTEL)]), ReadyQueue()
    placement.take(0, Lane((0,)))
    queue.push(node(1, Lane((0,)), priority=9))
    queue.push(node(2, Lane((1,))))
    found = queue.pop(placement)
    assert found is not None
    assert found.key == 2
    placement.take(1, Lane((1,)))
    assert queue.pop(placement) is None
    placement.give_back(0, Lane((0,)))
    found = queue.pop(placement)
    assert found is not None
    assert found.key == 1
