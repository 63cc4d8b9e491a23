"""What is pushed together, in which order, and what has to wait."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.delivery.batches import BATCH_BYTES, LATER_SECONDS, Standing, batches
from ekaci_core.delivery.closures import in_order, owners, tops
from ekaci_core.delivery.patience import BATCH, company
from ekaci_core.model.ids import StorePath
from ekaci_core.nix.path_info import PathInfo
from ekaci_core.store.push import Push, PushId, PushState, WantedPush
from ekaci_core.testing.facts import drv
from ekaci_core.testing.scripted_cache import store_path
from ekaci_core.testing.store_forges import HERE

A, B, C, D = (store_path(name) for name in "abcd")


def push(path: StorePath, number: int = 1, **changes: object) -> Push:
    wanted = WantedPush(cache="one", path=path, derivation=drv("x"), repository=HERE)
    made = Push(id=PushId(number), wanted=wanted, state=PushState.PENDING, asked_at=1.0, changed_at=1.0)
    return attrs.evolve(made, **changes)  # type: ignore[arg-type]


def infos(*paths: StorePath, size: int = 10, **references: tuple[StorePath, ...]) -> dict[StorePath, PathInfo]:
    return {path: PathInfo(size, references.get(path.name, ())) for path in paths}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=80))
def test_what_is_referred_to_comes_first(edges: list[tuple[int, int]]) -> None:
    paths = [store_path(f"p{number}") for number in range(31)]
    references: dict[StorePath, set[StorePath]] = {path: {path} for path in paths}  # many refer to themselves
    for high, low in edges:
        if low < high:
            references[paths[high]].add(paths[low])
    order = in_order(references)
    assert sorted(order) == sorted(paths)
    places = {path: at for at, path in enumerate(order)}
    assert all(places[low] <= places[high] for high in paths for low in references[high])


def test_a_long_chain_is_ordered() -> None:
    paths = [store_path(f"p{number}") for number in range(5000)]
    references = {path: (paths[at - 1],) if at else () for at, path in enumerate(paths)}
    assert in_order(references) == paths


def test_what_is_beyond_is_left_out() -> None:
    assert in_order({B: (A,), C: (B, A)}) == [B, C]


def test_each_path_is_needed_for_one_derivation() -> None:
    references = {A: (), B: (A,), C: (B,), D: (A,)}
    assert owners([(C, drv("c")), (D, drv("d"))], references) == dict.fromkeys((A, B, C), drv("c")) | {D: drv("d")}
    assert owners([(C, drv("c")), (A, drv("a"))], references) == {A: drv("a"), B: drv("c"), C: drv("c")}
    assert owners([(C, drv("c"))], {}) == {}


def test_roots_are_what_nothing_else_refers_to() -> None:
    references = {A: (A,), B: (A,), C: (B,)}
    assert tops([A, B, C], references) == [C]
    assert tops([A, B], references) == [B]
    assert tops([A], references) == [A]


def test_batches_are_bounded_in_number() -> None:
    paths = [store_path(f"p{number:03}") for number in range(BATCH + 1)]
    divided = batches([push(path) for path in paths], infos(*paths))
    assert [len(each) for each in divided] == [BATCH, 1]


def test_batches_are_bounded_in_size_and_a_huge_path_goes_alone() -> None:
    half = BATCH_BYTES // 2
    assert [len(each) for each in batches([push(A), push(B), push(C)], infos(A, B, C, size=half))] == [2, 1]
    assert [len(each) for each in batches([push(A), push(B)], infos(A, B, size=3 * BATCH_BYTES))] == [1, 1]


def test_what_failed_goes_in_ever_smaller_company() -> None:
    assert [company(attempts) for attempts in range(6)] == [256, 64, 16, 4, 1, 1]
    paths = [store_path(f"p{number:03}") for number in range(10)]
    tried = [push(path, attempts=4 if at == 5 else 0) for at, path in enumerate(paths)]
    odd = next(each.path for each in tried if each.attempts)
    divided = [[each.path for each in batch] for batch in batches(tried, infos(*paths))]
    assert [odd] in divided
    assert [path for batch in divided for path in batch] == in_order(dict.fromkeys(paths, ()))


def test_a_batch_holds_what_is_referred_to_before_what_refers_to_it() -> None:
    [batch] = batches([push(C), push(B), push(A)], infos(A, B, C, c=(B,), b=(A, B)))
    assert [each.path for each in batch] == [A, B, C]


def standing(**states: Push) -> Standing:
    found = Standing()
    found.learn(list(states.values()))
    return found


def test_what_refers_to_what_is_there_or_goes_along_is_pushed() -> None:
    for state in (PushState.DONE, PushState.PRESENT):
        ready, ends = standing(a=push(A, state=state)).sort([push(B)], infos(B, b=(A,)), now=5.0)
        assert ([each.path for each in ready], ends) == ([B], [])
    known = standing(a=push(A), b=push(B))
    ready, ends = known.sort([push(A), push(B)], infos(A, B, b=(A, B)), now=5.0)
    assert ([each.path for each in ready], ends) == ([A, B], [])
    ready, ends = Standing().sort([push(B)], infos(B, b=(A,)), now=5.0)
    assert [each.path for each in ready] == [B], "what no row is of is the cache's affair"


def test_what_refers_to_what_waits_waits_as_well() -> None:
    known = standing(a=push(A, not_before=90.0, state=PushState.PENDING))
    ready, [first, second] = known.sort([push(B, 2), push(C, 3)], infos(B, C, b=(A,), c=(B,)), now=5.0)
    assert ready == []
    assert (first.push, first.state, first.not_before) == (2, PushState.PENDING, 90.0)
    assert (second.push, second.state, second.not_before) == (3, PushState.PENDING, 90.0)
    _, [end] = standing(a=push(A, state=PushState.PUSHING)).sort([push(B)], infos(B, b=(A,)), now=5.0)
    assert end.not_before == 5.0 + LATER_SECONDS


def test_what_refers_to_what_failed_fails() -> None:
    known = standing(a=push(A, state=PushState.FAILED))
    ready, ends = known.sort([push(B, 2), push(C, 3), push(D, 4)], infos(B, C, D, b=(A,), c=(B,)), now=5.0)
    assert [each.path for each in ready] == [D]
    assert [(each.push, each.state) for each in ends] == [(2, PushState.FAILED), (3, PushState.FAILED)]
    assert ends[0].reason == f"it refers to {A}, which could not be pushed"
