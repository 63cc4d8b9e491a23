"""The contract of a store, as tests.

Inherit it, and give it an open, empty store::

    class TestMine(StoreConformance):
        @pytest.fixture
        async def store(self):
            async with open_mine() as store:
                yield store

All tests are asynchronous: mark the module with ``pytestmark = pytest.mark.anyio``.
"""

from __future__ import annotations

import anyio
import attrs
import pytest

from ekaci_core.graph.dag import Dag
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.evaluation import AttributeFault, EvaluationKey, FaultKind, NullAttribute
from ekaci_core.model.ids import AttrPath, DrvPath, System
from ekaci_core.model.package import PackageMeta
from ekaci_core.store.contract import BuildChange, DerivationId, MetaId, Store, UnknownDerivation
from ekaci_core.testing.facts import LINUX, attribute, drv, evaluated, key, record
from ekaci_core.testing.store_asking import AskingConformance
from ekaci_core.testing.store_attempts import AttemptConformance
from ekaci_core.testing.store_batches import BuildBatchesConformance
from ekaci_core.testing.store_numbers import NumberConformance
from ekaci_core.testing.store_server import ServerConformance
from ekaci_core.testing.store_unchanged import UnchangedConformance
from ekaci_core.testing.store_unfinished import UnfinishedConformance


class StoreConformance(
    AskingConformance,
    AttemptConformance,
    BuildBatchesConformance,
    NumberConformance,
    ServerConformance,
    UnfinishedConformance,
    UnchangedConformance,
):
    """What every store does."""

    # --- evaluations ---

    async def test_an_evaluation_is_found_once_it_is_finished(self, store: Store) -> None:
        assert await store.find_evaluation(key()) is None
        evaluation = await store.begin_evaluation(key(), now=100.0, gc_roots="/roots/1")
        assert await store.find_evaluation(key()) is None
        await store.finish_evaluation(evaluation, now=107.5)
        found = await store.find_evaluation(key())
        assert found is not None
        assert (found.id, found.key, found.gc_roots) == (evaluation, key(), "/roots/1")
        assert (found.finished_at, found.duration) == (107.5, 7.5)

    @pytest.mark.parametrize("field", [each.name for each in attrs.fields(EvaluationKey)])
    async def test_every_part_of_the_key_counts(self, store: Store, field: str) -> None:
        await evaluated(store)
        other = EvaluationKey(**{**attrs.asdict(key()), field: "b" * 40})
        assert await store.find_evaluation(other) is None

    async def test_the_newest_of_equal_evaluations_is_found(self, store: Store) -> None:
        await evaluated(store, now=100)
        newest = await evaluated(store, now=300)
        await evaluated(store, now=200)
        found = await store.find_evaluation(key())
        assert found is not None
        assert found.id == newest

    async def test_a_dropped_evaluation_is_gone_and_its_number_is_not_used_again(self, store: Store) -> None:
        evaluation = await evaluated(store, [record("a")], [attribute("a")])
        await store.drop_evaluations([evaluation])
        assert await store.find_evaluation(key()) is None
        assert not (await store.contents(evaluation)).attributes
        assert await store.known_derivations([drv("a")]) == {drv("a")}
        assert await evaluated(store) != evaluation

    # --- contents ---

    async def test_contents_are_what_was_added(self, store: Store) -> None:
        meta = {"license": {"spdxId": "MIT"}, "maintainers": [{"github": "me"}], "position": "a.nix:1"}
        faults = [_fault("b"), AttributeFault(None, FaultKind.OUT_OF_MEMORY, "lost")]
        evaluation = await evaluated(
            store,
            [record("dep"), record("a", "dep")],
            [
                attrs.evolve(attribute("a", meta), pname="pa", version="1"),
                attribute("dep"),
                *faults,
                NullAttribute(AttrPath("c")),
            ],
        )
        contents = await store.contents(evaluation)
        ids = await store.derivation_ids([drv("a"), drv("dep")])
        a, dep = contents.attributes[AttrPath("a")], contents.attributes[AttrPath("dep")]
        assert contents.attributes.keys() == {"a", "dep"}
        assert (a.derivation, a.name, a.system, a.pname, a.version) == (ids[drv("a")], "a", LINUX, "pa", "1")
        assert (dep.derivation, dep.meta, dep.pname, dep.version) == (ids[drv("dep")], None, None, None)
        assert set(contents.faults) == set(faults)
        assert contents.nulls == 1
        assert a.meta is not None
        assert await store.metas([a.meta]) == {a.meta: PackageMeta.from_json(meta)}
        assert await store.evaluated_derivations(evaluation) == {drv("a"), drv("dep")}

    async def test_items_may_come_in_any_number_of_parts(self, store: Store) -> None:
        evaluation = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        for name in "abc":
            await store.add_evaluated(
                evaluation, [record(name)], [attribute(name), NullAttribute(AttrPath(f"n{name}"))]
            )
        contents = await store.contents(evaluation)
        assert contents.attributes.keys() == {"a", "b", "c"}
        assert contents.nulls == 3

    async def test_an_attribute_given_twice_is_as_it_was_last(self, store: Store) -> None:
        again = attrs.evolve(attribute("a"), drv=drv("b"))
        evaluation = await evaluated(store, [record("a"), record("b")], [attribute("a"), again])
        ids = await store.derivation_ids([drv("b")])
        assert (await store.contents(evaluation)).attributes[AttrPath("a")].derivation == ids[drv("b")]

    async def test_equal_metadata_has_one_number_across_evaluations(self, store: Store) -> None:
        items = [attribute("a", {"broken": True}), attribute("b", {"broken": True, "unfree": False})]
        first = await store.contents(await evaluated(store, [record("a"), record("b")], items))
        second = await store.contents(await evaluated(store, [], [attribute("a", {"broken": False})]))
        third = await store.contents(await evaluated(store, [], [attribute("b", {"broken": True})]))
        numbers = {first.attributes[AttrPath(name)].meta for name in "ab"}
        assert numbers == {third.attributes[AttrPath("b")].meta}
        assert second.attributes[AttrPath("a")].meta not in numbers

    async def test_text_that_is_not_unicode_does_not_stop_anything(self, store: Store) -> None:
        item = attrs.evolve(attribute("a", {"description": "\udcfe"}), name="n\udcff", version="\ud800")
        fault = AttributeFault(AttrPath('"\udcff"'), FaultKind.ERROR, "bad \udcff")
        evaluation = await evaluated(store, [attrs.evolve(record("a"), pname="\udcff")], [item, fault])
        contents = await store.contents(evaluation)
        assert contents.attributes.keys() == {"a"}
        assert contents.faults[0].message.startswith("bad ")

    async def test_strange_attribute_names_come_back_as_they_went(self, store: Store) -> None:
        names = [AttrPath.of(["a", "b.c"]), AttrPath('"quo\\"te"'), AttrPath("ünï"), AttrPath("nul\0"), AttrPath("")]
        items = [attrs.evolve(attribute("a"), attr=name) for name in names]
        contents = await store.contents(await evaluated(store, [record("a")], items))
        assert contents.attributes.keys() == set(names)

    async def test_asking_for_nothing_gives_nothing(self, store: Store) -> None:
        assert await store.metas([]) == {}
        assert await store.derivations([]) == {}
        assert await store.derivation_ids([]) == {}
        assert await store.known_derivations([]) == frozenset()
        assert await store.builds([]) == {}
        assert await store.last_attempts([]) == {}
        assert len(await store.closure([])) == 0
        assert await store.metas([MetaId(99)]) == {}
        assert await store.derivations([DerivationId(99)]) == {}

    # --- derivations ---

    async def test_derivations_come_back_as_they_went(self, store: Store) -> None:
        records = [record("dep"), record("other"), *_unusual_derivations()]
        await evaluated(store, records)
        ids = await store.derivation_ids([each.path for each in records])
        found = await store.derivations(list(ids.values()))
        assert {number: _sorted_inputs(each) for number, each in found.items()} == {
            ids[each.path]: _sorted_inputs(each) for each in records
        }

    async def test_a_stored_derivation_keeps_its_number(self, store: Store) -> None:
        await evaluated(store, [record("a"), record("b", "a")])
        before = await store.derivation_ids([drv("a"), drv("b")])
        await evaluated(store, [record("a"), record("b", "a"), record("a")])
        assert await store.derivation_ids([drv("a"), drv("b")]) == before

    async def test_only_what_is_stored_is_known(self, store: Store) -> None:
        await evaluated(store, [record("a")])
        assert await store.known_derivations([drv("a"), drv("b")]) == {drv("a")}
        assert (await store.derivation_ids([drv("a"), drv("b")])).keys() == {drv("a")}

    async def test_an_input_must_be_stored_before(self, store: Store) -> None:
        evaluation = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        with pytest.raises(UnknownDerivation):
            await store.add_evaluated(evaluation, [record("x"), record("b", "a"), record("a")], [_fault("f")])
        assert await store.known_derivations([drv(name) for name in "abx"]) == frozenset()
        assert (await store.contents(evaluation)).faults == ()

    async def test_the_derivation_of_an_attribute_must_be_stored(self, store: Store) -> None:
        evaluation = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        with pytest.raises(UnknownDerivation):
            await store.add_evaluated(evaluation, [record("a")], [attribute("b")])
        assert await store.known_derivations([drv("a")]) == frozenset()

    async def test_a_closure_holds_all_that_is_needed_and_no_more(self, store: Store) -> None:
        await evaluated(
            store, [record("a"), record("b", "a"), record("c", "a", "b"), record("z", "c"), record("y", "a")]
        )
        ids = await store.derivation_ids([drv(name) for name in "abcyz"])
        dag = await store.closure([ids[drv("c")], ids[drv("y")]])
        assert list(dag.keys) == sorted(ids[drv(name)] for name in "abcy")
        assert _inputs(dag, ids[drv("c")]) == {ids[drv("a")], ids[drv("b")]}
        assert _inputs(dag, ids[drv("a")]) == set()

    async def test_a_closure_leaves_out_what_others_need_too(self, store: Store) -> None:
        below = [record("a"), record("b", "a"), record("c", "b")]
        await evaluated(store, [*below, record("p", "a"), record("q", "b", "p"), record("r", "q")])
        ids = await store.derivation_ids([drv(name) for name in "abcpqr"])
        dag = await store.closure([ids[drv("r")], ids[drv("c")]], beyond=[ids[drv("c")]])
        assert list(dag.keys) == sorted(ids[drv(name)] for name in "pqr")
        assert _inputs(dag, ids[drv("q")]) == {ids[drv("p")]}
        assert len(await store.closure([ids[drv("b")]], beyond=[ids[drv("c")]])) == 0

    async def test_a_deep_closure_is_found(self, store: Store) -> None:
        depth = 1500
        chain = [record("n0"), *(record(f"n{at}", f"n{at - 1}") for at in range(1, depth))]
        await evaluated(store, chain)
        ids = await store.derivation_ids([drv(f"n{depth - 1}")])
        dag = await store.closure(list(ids.values()))
        assert (len(dag), dag.edges) == (depth, depth - 1)

    async def test_the_closure_of_an_unknown_derivation_is_refused(self, store: Store) -> None:
        with pytest.raises(UnknownDerivation):
            await store.closure([DerivationId(99)])

    # --- builds ---

    async def test_a_build_is_as_it_was_recorded_last(self, store: Store) -> None:
        await evaluated(store, [record("a"), record("b"), record("c", "a", "b")])
        blocked = Build(drv("c"), BuildState.TRANSITIVE_FAILURE, 0, frozenset({drv("a"), drv("b")}))
        await store.record_builds([_change(Build(drv("a"), BuildState.BUILDING)), _change(blocked)])
        failed = Build(drv("a"), BuildState.FAILED_RETRY, 1)
        await store.record_builds([_change(Build(drv("a"), BuildState.BUILDABLE)), _change(failed)])
        assert await store.builds([drv("a"), drv("b"), drv("c")]) == {drv("a"): failed, drv("c"): blocked}
        await store.record_builds([_change(attrs.evolve(blocked, state=BuildState.QUEUED, blockers=frozenset()))])
        assert (await store.builds([drv("c")]))[drv("c")] == Build(drv("c"))

    async def test_builds_of_unknown_derivations_are_refused_as_a_whole(self, store: Store) -> None:
        await evaluated(store, [record("a")])
        with pytest.raises(UnknownDerivation):
            await store.record_builds([_change(Build(drv("a"))), _change(Build(drv("b")))])
        with pytest.raises(UnknownDerivation):
            await store.record_builds([_change(Build(drv("a"), BuildState.BLOCKED, 0, frozenset({drv("b")})))])
        assert await store.builds([drv("a"), drv("b")]) == {}

    async def test_a_lease_keeps_others_out_until_it_ends(self, store: Store) -> None:
        await evaluated(store, [record("a"), record("b")])
        assert await store.claim(drv("a"), "one", now=0, until=10) is None
        assert await store.claim(drv("a"), "two", now=9.9, until=20) == "one"
        assert await store.claim(drv("b"), "two", now=9.9, until=20) is None
        assert await store.claim(drv("a"), "two", now=10, until=20) is None
        assert await store.claim(drv("a"), "one", now=11, until=20) == "two"

    async def test_a_lease_is_renewed_by_its_holder_alone(self, store: Store) -> None:
        await evaluated(store, [record("a")])
        assert await store.claim(drv("a"), "one", now=0, until=10) is None
        assert await store.claim(drv("a"), "one", now=5, until=30) is None
        assert await store.claim(drv("a"), "two", now=20, until=40) == "one"

    async def test_claims_are_listed_until_they_are_given_up(self, store: Store) -> None:
        await evaluated(store, [record("a"), record("b")], [])
        await store.claim(drv("a"), "one", now=0, until=10)
        await store.claim(drv("b"), "two", now=0, until=1)
        assert await store.claims() == {drv("a"): "one", drv("b"): "two"}
        await store.release(drv("a"), "one")
        await store.claim(drv("b"), "three", now=5, until=10)
        assert await store.claims() == {drv("b"): "three"}

    async def test_a_lease_is_released_by_its_holder_alone(self, store: Store) -> None:
        await evaluated(store, [record("a")])
        await store.claim(drv("a"), "one", now=0, until=10)
        await store.release(drv("a"), "two")
        assert await store.claim(drv("a"), "two", now=1, until=10) == "one"
        await store.release(drv("a"), "one")
        await store.release(drv("a"), "one")
        assert await store.claim(drv("a"), "two", now=1, until=10) is None

    async def test_claims_and_attempts_need_a_stored_derivation(self, store: Store) -> None:
        with pytest.raises(UnknownDerivation):
            await store.claim(drv("a"), "one", now=0, until=10)
        with pytest.raises(UnknownDerivation):
            await store.begin_attempt(drv("a"), builder="local", log_path=None, now=0)
        await store.release(drv("a"), "one")

    async def test_the_last_attempt_is_told(self, store: Store) -> None:
        await evaluated(store, [record("a"), record("b")])
        first = await store.begin_attempt(drv("a"), builder="local", log_path="/log/1", now=1)
        await store.end_attempt(first, now=2, exit_status=1, outcome=BuildState.FAILED_RETRY, reason="no \udcff")
        told = (await store.last_attempts([drv("a"), drv("b")]))[drv("a")]
        assert (told.id, told.drv, told.builder, told.log_path) == (first, drv("a"), "local", "/log/1")
        assert (told.started_at, told.ended_at, told.exit_status) == (1, 2, 1)
        assert (told.outcome, told.reason[:3]) == (BuildState.FAILED_RETRY, "no ")
        second = await store.begin_attempt(drv("a"), builder="far", log_path=None, now=3)
        last = await store.last_attempts([drv("a"), drv("b")])
        assert last.keys() == {drv("a")}
        running = last[drv("a")]
        assert (running.id, running.builder, running.ended_at, running.outcome) == (second, "far", None, None)
        assert (running.log_path, running.reason) == (None, "")

    # --- concurrency ---

    async def test_a_write_that_was_begun_is_finished_when_its_caller_is_cancelled(self, store: Store) -> None:
        many = [record(f"r{at}") for at in range(2000)]
        evaluation = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(store.add_evaluated, evaluation, many, [])
            await anyio.lowlevel.checkpoint()  # it has been handed over by now
            tasks.cancel_scope.cancel()
        await store.finish_evaluation(evaluation, now=2)  # waits for its turn behind the other
        assert len(await store.known_derivations([each.path for each in many])) == len(many)

    async def test_many_callers_at_once_do_not_disturb_each_other(self, store: Store) -> None:
        async def one(number: int) -> None:
            names = [f"c{number}x{at}" for at in range(20)]
            records = [record("shared"), *(record(name, "shared") for name in names)]
            items = [attribute(name) for name in names]
            evaluation = await evaluated(store, records, items, of=key(f"job{number}"))
            assert (await store.contents(evaluation)).attributes.keys() == set(names)

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(one, number)
        assert len(await store.evaluations()) == 10

    async def test_exactly_one_of_many_gets_a_lease(self, store: Store) -> None:
        await evaluated(store, [record("a")])
        answers: list[str | None] = []

        async def ask(worker: str) -> None:
            answers.append(await store.claim(drv("a"), worker, now=0, until=10))

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(ask, f"worker {number}")
        assert answers.count(None) == 1
        assert len(set(answers)) == 2

    async def test_attempts_in_the_closure_of_an_evaluation_are_mentioned(self, store: Store) -> None:
        assert await store.mentioned_attempts() == frozenset()
        records = [record("base"), record("lib", "base"), record("app", "lib"), record("never-tried", "app")]
        first = await evaluated(store, records, [attribute("app")])
        other = [record("lone"), record("plugin", "lib", "lone")]
        second = await evaluated(store, other, [attribute("plugin"), attribute("never-tried")], of=key("other"))
        for name in ("base", "lib", "app", "lone", "plugin", "lib"):
            await store.begin_attempt(drv(name), builder="local", log_path=None, now=1)
        every = {drv(name) for name in ("base", "lib", "app", "lone", "plugin")}
        assert await store.mentioned_attempts() == every
        await store.drop_evaluations([second])
        assert await store.mentioned_attempts() == {drv(name) for name in ("base", "lib", "app")}
        await store.drop_evaluations([first])
        assert await store.mentioned_attempts() == frozenset()

    async def test_an_evaluation_that_is_being_made_mentions_attempts_too(self, store: Store) -> None:
        unfinished = await store.begin_evaluation(key(), now=1, gc_roots="/roots")
        await store.add_evaluated(unfinished, [record("lib"), record("app", "lib")], [attribute("app")])
        await store.begin_attempt(drv("lib"), builder="local", log_path=None, now=1)
        assert await store.mentioned_attempts() == {drv("lib")}


def _fault(attr: str) -> AttributeFault:
    return AttributeFault(AttrPath(attr), FaultKind.ERROR, "error: no", "default.nix:1:2")


def _change(build: Build) -> BuildChange:
    return BuildChange(build, at=12.5, cause="a test")


def _inputs(dag: Dag, number: int) -> set[int]:
    return {dag.keys[node] for node in dag.inputs(dag.node(number))}


def _sorted_inputs(derivation: DerivationRecord) -> DerivationRecord:
    return attrs.evolve(derivation, inputs=tuple(sorted(derivation.inputs)))


def _unusual_derivations() -> list[DerivationRecord]:
    plain = record("plain", "dep", "other")
    out = plain.outputs[0].path
    elsewhere = DrvPath.parse(f"/other/store/{plain.path.hash_part}-plain.drv")
    return [
        plain,
        attrs.evolve(record("meta", "dep"), pname="m", version="2", features=("kvm", "a b"), prefer_local=True),
        attrs.evolve(record("several"), outputs=(Output("dev", out), Output("out", None), Output("lib", out))),
        attrs.evolve(record("fixed"), outputs=(Output("out", out, "r:sha256", "0f" * 32),)),
        attrs.evolve(record("floating"), outputs=(Output("out", None, "r:sha256"),)),
        attrs.evolve(record("named"), name="another name"),
        attrs.evolve(record("bare"), outputs=(), system=System("builtin")),
        attrs.evolve(plain, path=elsewhere, inputs=()),
    ]
