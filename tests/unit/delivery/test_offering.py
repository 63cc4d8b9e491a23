"""What a review has built becomes rows, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import pytest
from tests.unit.delivery.conftest import Bench

from ekaci_core.api import StorePath
from ekaci_core.config.merge import ReviewJob
from ekaci_core.delivery.auditing import Auditing
from ekaci_core.delivery.offering import Offering, ReviewPushes
from ekaci_core.delivery.policy import CacheRule
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.change import AttributeChange, JobComparison, Side
from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.forge import Branch
from ekaci_core.model.ids import AttrPath
from ekaci_core.model.package import PackageMeta
from ekaci_core.model.policy import Permissions
from ekaci_core.model.repository import Job
from ekaci_core.model.review import ReviewState
from ekaci_core.store.contract import BuildChange
from ekaci_core.store.push import PushEnd, PushState
from ekaci_core.store.review import ReviewRecord
from ekaci_core.testing.facts import LINUX, drv, record
from ekaci_core.testing.store_forges import FORK, HERE, pull_request, wish

pytestmark = pytest.mark.anyio

SUCCESS = BuildState.SUCCESS


def jobs(*caches: str) -> list[ReviewJob]:
    job = Job("packages", "x.nix", caches=caches)
    return [ReviewJob("packages", job, job, caches=caches)]


def compared(*names: str, job: str = "packages") -> list[JobComparison]:
    changes = tuple(
        AttributeChange(job, AttrPath(name), LINUX, None, Side(drv(name), name, name, None, PackageMeta.from_json({})))
        for name in names
    )
    return [JobComparison(job, changes, 0, (), (), (), (), ())]


def output(made: DerivationRecord, name: str = "out") -> StorePath:
    path = next(each.path for each in made.outputs if each.name == name)
    assert path is not None
    return path


@attrs.define
class Desk:
    """Offers reviews of a store in which some things are built."""

    bench: Bench
    told: list[str] = attrs.field(factory=list)

    def offering(self, *rules: CacheRule) -> Offering:
        bench = self.bench
        auditing = Auditing(bench.store, bench.clock, bench.told)
        named = {each.id: each for each in rules}
        offered = self.told.append
        return Offering(bench.store, bench.paths, named, auditing, bench.clock, bench.told, lambda: offered("woken"))

    async def built(self, made: DerivationRecord, *references: StorePath, state: BuildState = SUCCESS) -> None:
        """Have a derivation in a state, with its outputs in the store of the machine."""
        await self.bench.store.add_derivations([made])
        await self.bench.store.record_builds([BuildChange(Build(made.path, state), 1.0, "test")])
        for each in made.outputs if state is SUCCESS else ():
            assert each.path is not None
            self.bench.paths.add(each.path, *references)

    async def attempted(self, *names: str) -> None:
        """Have these built here."""
        store = self.bench.store
        for name in names:
            attempt = await store.begin_attempt(drv(name), builder="local", log_path=None, now=1.0)
            await store.end_attempt(attempt, now=2.0, exit_status=0, outcome=SUCCESS, reason="")

    async def review(self, head: str = "a", number: int | None = None, **changes: object) -> ReviewRecord:
        store = self.bench.store
        number = await store.ask_review(wish(head, number, **changes), ReviewState.QUEUED, now=1.0)
        found = await store.review(number)
        assert found is not None
        return found

    async def pushes(self, *rules: CacheRule, caches: Sequence[str] = ("one",), branch: str = "main") -> ReviewPushes:
        """Begin the review of a pushed branch."""
        review = await self.review(base=Branch(branch))
        return await self.offering(*rules).of(review, jobs(*caches))

    async def rows(self) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in reversed(await self.bench.store.pushes(limit=1000)):
            found.setdefault(each.wanted.cache, []).append(each.path.name)
        return found


@pytest.fixture
def desk(bench: Bench) -> Desk:
    return Desk(bench)


ONE = CacheRule(id="one")
BARE = CacheRule(id="one", closure=False)


async def test_what_is_built_is_offered_once(desk: Desk) -> None:
    await desk.built(record("a"))
    pushes = await desk.pushes(ONE)
    assert await pushes.offer(compared("a")) == 1
    assert await desk.rows() == {"one": ["a"]}
    assert desk.told == ["woken"]
    assert await pushes.offer(compared("a")) == 0
    again = await desk.pushes(ONE)
    assert await again.offer(compared("a")) == 0
    assert desk.told == ["woken"]
    [row] = await desk.bench.store.pushes()
    assert (row.wanted.repository, row.wanted.derivation) == (HERE, drv("a"))
    assert row.wanted.review is not None


async def test_only_what_was_built_well_is_offered(desk: Desk) -> None:
    for name, state in (("a", SUCCESS), ("b", BuildState.FAILURE), ("c", BuildState.BUILDING)):
        await desk.built(record(name), state=state)
    pushes = await desk.pushes(ONE)
    assert await pushes.offer(compared("a", "b", "c", "unknown")) == 1
    await desk.built(record("c"))
    assert await pushes.offer(compared("a", "b", "c", "unknown")) == 1
    assert await desk.rows() == {"one": ["a", "c"]}


async def test_what_is_not_in_the_store_of_this_machine_is_not_offered(desk: Desk) -> None:
    made = record("a")
    await desk.built(made)
    del desk.bench.paths.references[output(made)]
    pushes = await desk.pushes(ONE)
    assert await pushes.offer(compared("a")) == 0
    assert await desk.rows() == {}


async def test_an_output_brings_what_it_refers_to_unless_the_cache_wants_it_bare(desk: Desk) -> None:
    low = desk.bench.paths.add(output(record("low")))
    middle = desk.bench.paths.add(output(record("middle")), low)
    top = record("top")
    await desk.built(top, middle)
    rules = ONE, CacheRule(id="bare", closure=False)
    pushes = await desk.pushes(*rules, caches=("one", "bare"))
    assert await pushes.offer(compared("top")) == 4
    assert await desk.rows() == {"one": ["low", "middle", "top"], "bare": ["top"]}
    assert {each.wanted.derivation for each in await desk.bench.store.pushes()} == {drv("top")}
    assert desk.bench.paths.kept == [output(top)], "what refers to the others keeps them"


async def test_fixed_outputs_alone_where_the_cache_wants_no_others(desk: Desk) -> None:
    plain = record("plain")
    path = output(record("fixed"))
    fixed = attrs.evolve(record("fixed"), outputs=(Output("out", path, "r:sha256", "0" * 64),))
    await desk.built(plain)
    await desk.built(fixed)
    pushes = await desk.pushes(attrs.evolve(ONE, fixed_output_only=True))
    assert await pushes.offer(compared("plain", "fixed")) == 1
    assert await desk.rows() == {"one": ["fixed"]}


async def test_all_outputs_are_offered_and_those_without_a_path_left_out(desk: Desk) -> None:
    made = record("a")
    doc = StorePath.parse(output(made) + "-doc")
    outputs = (*made.outputs, Output("doc", doc), Output("later", None, "r:sha256"))
    store = desk.bench.store
    await store.add_derivations([attrs.evolve(made, outputs=outputs)])
    await store.record_builds([BuildChange(Build(made.path, SUCCESS), 1.0, "test")])
    desk.bench.paths.add(output(made), doc)
    desk.bench.paths.add(doc)
    pushes = await desk.pushes(ONE)
    assert await pushes.offer(compared("a")) == 2
    assert await desk.rows() == {"one": ["a-doc", "a"]}


async def test_what_only_head_is_made_of_is_offered_as_well(desk: Desk) -> None:
    shared, old, new = record("shared"), record("old", "shared"), record("new", "shared", "source", "fetched")
    source = attrs.evolve(record("source"), outputs=(Output("out", output(record("source")), "sha256", "0" * 64),))
    for made in (shared, record("fetched"), source, old, new):
        await desk.built(made)
    await desk.attempted("source", "shared")
    heads, bases = compared("new")[0].changes, compared("old")[0].changes
    change = attrs.evolve(heads[0], base=bases[0].head)
    job = [attrs.evolve(compared()[0], changes=(change,))]
    sources = CacheRule(id="sources", fixed_output_only=True)
    pushes = await desk.pushes(BARE, sources, caches=("one", "sources"))
    assert await pushes.offer(job) == 3
    rows = await desk.rows()
    assert {cache: sorted(names) for cache, names in rows.items()} == {"one": ["new", "source"], "sources": ["source"]}


async def test_each_job_has_its_own_caches(desk: Desk) -> None:
    await desk.built(record("a"))
    await desk.built(record("b"))
    one, two = Job("x", "x.nix", caches=("one",)), Job("y", "y.nix", caches=("two", "one"))
    listed = [ReviewJob("x", one, one, caches=one.caches), ReviewJob("y", two, two, caches=two.caches)]
    review = await desk.review()
    pushes = await desk.offering(ONE, CacheRule(id="two")).of(review, listed)
    await pushes.offer([*compared("a", job="x"), *compared("b", job="y"), *compared("a", job="z")])
    rows = await desk.rows()
    assert {cache: sorted(names) for cache, names in rows.items()} == {"one": ["a", "b"], "two": ["b"]}


async def test_what_failed_is_offered_again_by_another_review(desk: Desk) -> None:
    await desk.built(record("a"))
    store = desk.bench.store
    first = await desk.pushes(ONE)
    await first.offer(compared("a"))
    [row] = await store.pushes()
    await store.end_pushes([PushEnd(push=row.id, state=PushState.FAILED, reason="no")], now=2.0)
    same = await desk.pushes(ONE)
    assert await same.offer(compared("a")) == 0
    other = await desk.offering(ONE).of(await desk.review("b"), jobs("one"))
    assert await other.offer(compared("a")) == 1
    assert [each.state for each in await store.pushes()] == [PushState.PENDING]


async def test_pull_requests_are_judged_by_what_is_known_of_them(desk: Desk) -> None:
    await desk.built(record("a"))
    store = desk.bench.store
    await store.note_pull_request(pull_request(1, head_repository=FORK), now=1.0)
    await store.note_pull_request(pull_request(2, head_repository=HERE), now=1.0)
    for number, letter, count in ((1, "a", 0), (2, "c", 1), (3, "d", 0)):
        pushes = await desk.offering(ONE).of(await desk.review(letter, number), jobs("one"))
        assert await pushes.offer(compared("a")) == count
    assert desk.bench.told.events().count("cache_refused") == 2


async def test_operators_are_told_why_a_cache_gets_nothing(desk: Desk) -> None:
    rule = attrs.evolve(ONE, permissions=Permissions(allow_all=False, allowed_branches=("main",)))
    pushes = await desk.pushes(rule, caches=("one", "nonexistent-cache"), branch="develop")
    assert await pushes.offer(compared("a")) == 0
    told = [(fields["problem"], fields.get("level")) for event, fields in desk.bench.told.lines]
    assert told == [
        ("Permission denied for cache 'one' in Owner/repository: Branch develop is not allowed", "warning"),
        ("Cache ID 'nonexistent-cache' not found in server registry, skipping", "warning"),
    ]
    [audited] = await desk.bench.store.audit_records()
    assert (audited.event, audited.subject, audited.outcome) == ("hook_permission_denied", "cache:one", "denied")
