from __future__ import annotations

import random
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import attrs
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.model.derivation import Output
from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.nix.dry_run import BuildPlan
from ekaci_core.nix.narinfo import NarInfo
from ekaci_core.nix.recipes import Recipe
from ekaci_core.substitution.walk import Said, Walk

DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"


def hashed(kind: str, number: int) -> str:
    return kind * 28 + "".join(DIGITS[number >> shift & 31] for shift in (15, 10, 5, 0))


def drv(number: int) -> DrvPath:
    return DrvPath.parse(f"{hashed('d', number)}-it.drv")


def out(number: int, name: str = "out") -> StorePath:
    return StorePath.parse(f"{hashed('x' if name == 'out' else 'y', number)}-it")


@attrs.frozen
class World:
    """Derivations 0 to n-1, each with inputs of smaller number, the store and what caches have."""

    inputs: tuple[Mapping[int, frozenset[str]], ...]
    stored: AbstractSet[str] = frozenset()
    cached: Mapping[StorePath, frozenset[StorePath]] = {}
    undecided: AbstractSet[StorePath] = frozenset()
    forbidden: AbstractSet[int] = frozenset()
    floating: AbstractSet[int] = frozenset()

    def read(self, path: DrvPath) -> Recipe:
        number = next(each for each in range(len(self.inputs)) if drv(each) == path)
        paths = [None, None] if number in self.floating else [out(number), out(number, "dev")]
        outputs = tuple(Output(name, where) for name, where in zip(("out", "dev"), paths, strict=True))
        needed = [(drv(each), names) for each, names in self.inputs[number].items()]
        return Recipe(outputs, number not in self.forbidden, inputs=lambda: needed)

    def exists(self, path: StorePath) -> bool:
        return path.endswith(".drv") or path in self.stored

    def says(self, path: StorePath) -> NarInfo | Said:
        if path in self.cached:
            return NarInfo(path, "sha256:x", 1, tuple(sorted(self.cached[path])))
        return Said.UNDECIDED if path in self.undecided else Said.ABSENT

    def walked(self, *wanted: int, chance: random.Random | None = None, fallback: bool = False) -> Walk:
        walk = Walk(self.read, self.exists, fallback=fallback)
        walk.want(map(drv, wanted))
        asked: set[StorePath] = set()
        while True:
            while walk.asked:
                if chance is not None:
                    walk.asked.rotate(chance.randrange(len(walk.asked)))
                path = walk.asked.popleft()
                assert path not in asked, "each is asked once"
                asked.add(path)
                walk.told(path, self.says(path))
            if not walk.revise():
                return walk

    # The same by the definition, without any order.

    def is_to_be_had(self, path: StorePath, among: frozenset[StorePath] = frozenset()) -> bool:
        if path in self.stored or path in among:
            return True
        return path in self.cached and all(self.is_to_be_had(each, among | {path}) for each in self.cached[path])

    def fetched(self, path: StorePath, into: set[StorePath]) -> None:
        if path not in self.stored and path not in into:
            into.add(path)
            for each in self.cached[path]:
                self.fetched(each, into)

    def defined_plan(self, *wanted: int) -> BuildPlan:
        build: set[DrvPath] = set()
        fetch: set[StorePath] = set()
        seen: set[tuple[int, frozenset[str]]] = set()

        def go(number: int, names: frozenset[str]) -> None:
            if (number, names) in seen:
                return
            seen.add((number, names))
            missing = [out(number, name) for name in names if out(number, name) not in self.stored]
            if not missing:
                return
            if number not in self.forbidden and all(map(self.is_to_be_had, missing)):
                for path in missing:
                    self.fetched(path, fetch)
                return
            build.add(drv(number))
            for each, taken in self.inputs[number].items():
                go(each, taken)

        for number in wanted:
            go(number, frozenset({"out", "dev"}))
        return BuildPlan(frozenset(build), frozenset(fetch))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    count = draw(st.integers(1, 8))
    names = st.sampled_from([frozenset({"out"}), frozenset({"dev"}), frozenset({"out", "dev"})])
    inputs = tuple(
        draw(st.dictionaries(st.integers(0, number - 1), names, max_size=3)) if number else {}
        for number in range(count)
    )
    paths = [out(number, name) for number in range(count) for name in ("out", "dev")]
    some = st.sets(st.sampled_from(paths))
    cached = {path: frozenset(draw(st.sets(st.sampled_from(paths), max_size=2))) for path in draw(some)}
    return World(inputs, draw(some), cached, forbidden=draw(st.sets(st.integers(0, count - 1), max_size=2)))


@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(world: World, chance: random.Random) -> None:
    wanted = range(len(world.inputs))
    assert world.walked(*wanted, chance=chance).plan() == world.defined_plan(*wanted)
    assert world.walked(wanted[-1], chance=chance).plan() == world.defined_plan(wanted[-1])


CHAIN: tuple[dict[int, frozenset[str]], ...] = ({}, {0: frozenset({"out"})}, {1: frozenset({"out"})})


def test_nothing_is_looked_up_behind_what_is_there() -> None:
    walk = Walk(World(CHAIN).read, World(CHAIN, stored={out(2), out(2, "dev")}).exists)
    walk.want([drv(2)])
    assert (list(walk.asked), walk.plan()) == ([], BuildPlan())


def test_nothing_is_looked_up_where_nothing_may_be_fetched() -> None:
    walk = Walk(World(CHAIN).read, World(CHAIN).exists, substitutes=False)
    walk.want([drv(2)])
    assert list(walk.asked) == []
    assert walk.plan().to_build == {drv(0), drv(1), drv(2)}


def test_the_settings_may_pass_over_what_a_derivation_forbids() -> None:
    world = World(CHAIN, cached={out(2): frozenset(), out(2, "dev"): frozenset()}, forbidden={2})
    assert drv(2) in world.walked(2).plan().to_build
    walk = Walk(world.read, world.exists, always=True)
    walk.want([drv(2)])
    assert set(walk.asked) == {out(2), out(2, "dev")}


def test_what_nobody_could_say_is_in_doubt_and_goes_no_further() -> None:
    world = World(CHAIN, undecided={out(1)})
    walk = world.walked(2)
    assert walk.doubtful == [drv(1)]
    assert walk.plan().to_build == {drv(2)}
    assert world.walked(2, fallback=True).plan().to_build == {drv(0), drv(1), drv(2)}


def test_what_is_absent_anyway_is_not_in_doubt() -> None:
    world = World(CHAIN, undecided={out(2)})
    walk = world.walked(2)
    assert walk.doubtful == []
    assert drv(2) in walk.plan().to_build


def test_doubt_about_something_that_is_referred_to_counts_too() -> None:
    cached = {out(1): frozenset({out(0)})}
    world = World(CHAIN, cached=cached, undecided={out(0)})
    assert world.walked(2).doubtful == [drv(1)]
    assert drv(1) in World(CHAIN, cached=cached).walked(2).plan().to_build
    assert drv(1) in world.walked(2, fallback=True).plan().to_build


def test_what_no_file_tells_is_left_to_nix_with_the_outputs_that_are_wanted() -> None:
    world = World((*CHAIN, {1: frozenset({"dev"})}), floating={1})
    assert world.walked(2).beyond == {drv(1): {"out"}}
    assert world.walked(2, 3).beyond == {drv(1): {"out", "dev"}}
    assert world.walked(1, 2).beyond == {drv(1): None}
    assert world.walked(2, 1).beyond == {drv(1): None}
    walk = Walk(lambda _: None, world.exists)
    walk.want([drv(0)])
    assert walk.beyond == {drv(0): None}


def test_a_derivation_that_is_not_there_is_unknown() -> None:
    walk = Walk(World(CHAIN).read, lambda path: path != drv(0))
    walk.want([drv(0)])
    assert walk.plan() == BuildPlan(unknown=frozenset({drv(0)}))
