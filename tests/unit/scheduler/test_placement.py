from __future__ import annotations

from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.ids import System
from ekaci_core.scheduler.node import Node
from ekaci_core.scheduler.placement import Lane, Placement
from ekaci_core.scheduler.ready_queue import ReadyQueue
from ekaci_core.testing.builds import ScriptedBuilder, ScriptedNix, drv_path

INTEL, ARM, BUILTIN = System("x86_64-linux"), System("aarch64-linux"), System("builtin")


def builder(slots: int, *systems: System, features: tuple[str, ...] = ()) -> ScriptedBuilder:
    return ScriptedBuilder(ScriptedNix(), slots=slots, systems=systems, features=features)


def node(key: int, lane: Lane, *, priority: int = 1, chain: int = 1) -> Node:
    build = Build(drv_path(f"n{key}"), BuildState.BUILDABLE)
    return Node(key=key, build=build, lane=lane, priority=priority, chain=chain)


def test_a_builder_needs_platform_and_every_feature() -> None:
    placement = Placement([builder(1, INTEL), builder(1, INTEL, ARM, features=("kvm", "big"))])
    assert placement.lane(INTEL, ()) == (0, 1)
    assert placement.lane(ARM, ()) == (1,)
    assert placement.lane(INTEL, ["kvm"]) == (1,)
    assert placement.lane(BUILTIN, ()) == (0, 1)
    assert placement.lane(INTEL, ["kvm", "gpu"]) == ()
    assert placement.lane(System("riscv64-linux"), ()) == ()


def test_the_reason_names_what_is_missing_at_the_best_builder() -> None:
    placement = Placement([builder(1, INTEL), builder(1, INTEL, features=("kvm",))])
    assert placement.why_none(ARM, ()) == "no builder builds for aarch64-linux"
    assert placement.why_none(INTEL, ["kvm", "gpu"]) == "no builder for x86_64-linux has the feature gpu"
    assert placement.why_none(INTEL, ["gpu", "big"]) == "no builder for x86_64-linux has the features big, gpu"
    assert Placement([]).why_none(INTEL, ()) == "there is no builder"


def test_a_builder_without_slots_takes_nothing() -> None:
    assert Placement([builder(0, INTEL)]).lane(INTEL, ()) == ()


def test_the_builder_with_most_free_slots_is_chosen() -> None:
    placement = Placement([builder(1, INTEL), builder(3, INTEL)])
    taken = []
    while (at := placement.free((0, 1))) is not None:
        placement.take(at)
        taken.append(at)
    assert taken == [1, 1, 0, 1]
    placement.give_back(0)
    assert placement.free((0, 1)) == 0
    assert placement.free((1,)) is None


def test_the_queue_hands_out_by_rank_and_each_node_once() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    nodes = [node(1, (0,)), node(2, (0,), chain=5), node(3, (0,), priority=2), node(4, (0,), chain=5)]
    for each in [*nodes, nodes[0], nodes[2]]:
        queue.push(each)
    order = []
    while found := queue.pop(placement):
        order.append(found[0].key)
    assert order == [3, 2, 4, 1]


def test_a_node_whose_rank_rose_moves_forward_and_its_old_place_is_void() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    first, second = node(1, (0,)), node(2, (0,))
    queue.push(first)
    queue.push(second)
    second.priority = 2
    queue.push(second)
    assert [found[0].key if (found := queue.pop(placement)) else None for _ in range(3)] == [2, 1, None]


def test_what_is_no_longer_runnable_is_dropped() -> None:
    placement, queue = Placement([builder(9, INTEL)]), ReadyQueue()
    gone = node(1, (0,))
    queue.push(gone)
    gone.build = Build(gone.build.drv, BuildState.CANCELLED)
    assert queue.pop(placement) is None


def test_lanes_do_not_hold_up_each_other() -> None:
    placement, queue = Placement([builder(1, ARM), builder(1, INTEL)]), ReadyQueue()
    placement.take(0)
    queue.push(node(1, (0,), priority=9))
    queue.push(node(2, (1,)))
    found = queue.pop(placement)
    assert found is not None
    assert (found[0].key, found[1]) == (2, 1)
    placement.take(1)
    assert queue.pop(placement) is None
    placement.give_back(0)
    found = queue.pop(placement)
    assert found is not None
    assert (found[0].key, found[1]) == (1, 0)
