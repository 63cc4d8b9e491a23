"""One report that has something of everything, also of what pull requests may try."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import pytest

from ekaci_core.changes import outcomes_of
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.change import AttributeChange, BlastRadius, Failure, Impact, JobComparison, Side
from ekaci_core.model.evaluation import AttributeFault, FaultKind
from ekaci_core.model.ids import AttrPath, CommitSha, DrvPath, System, TreeHash
from ekaci_core.model.package import PackageMeta
from ekaci_core.model.report import Report
from ekaci_core.model.repository import Revision
from ekaci_core.reporting import Findings, judge
from ekaci_core.reporting.reproduce import reproduce

LINUX = System("x86_64-linux")
ARM = System("aarch64-linux")
MIT = PackageMeta(licenses=("MIT",), maintainers=("alice",))


def drv(name: str, digit: str = "0") -> DrvPath:
    """Name a derivation; another digit makes another path of the same name."""
    return DrvPath.parse(f"{digit * 32}-{name}.drv")


def side(name: str, digit: str = "0", meta: PackageMeta = MIT) -> Side:
    pname, _, version = name.rpartition("-")
    return Side(drv(name, digit), name, pname, version, meta)


def change(
    attr: str,
    base: Side | None,
    head: Side | None,
    *,
    job: str = "packages",
    system: System = LINUX,
    base_fault: bool = False,
    head_fault: bool = False,
) -> AttributeChange:
    return AttributeChange(job, AttrPath(attr), system, base, head, base_fault, head_fault)


def fault(attr: str | None, message: str, kind: FaultKind = FaultKind.ERROR, at: str | None = None) -> AttributeFault:
    return AttributeFault(None if attr is None else AttrPath(attr), kind, message, at)


def comparison(
    changes: Iterable[AttributeChange] = (),
    *,
    job: str = "packages",
    unchanged: int = 0,
    new: Iterable[AttributeFault] = (),
    known: Iterable[AttributeFault] = (),
    fixed: Iterable[AttributeFault] = (),
    meta_only: Iterable[AttributeChange] = (),
    missing_on: str | None = None,
    allow_eval_failures: bool = False,
) -> JobComparison:
    return JobComparison(
        job=job,
        changes=tuple(changes),
        unchanged=unchanged,
        meta_only=tuple(meta_only),
        base_faults=(*known, *fixed),
        head_faults=(*new, *known),
        new_faults=tuple(new),
        fixed_faults=tuple(fixed),
        missing_on=missing_on,
        allow_eval_failures=allow_eval_failures,
    )


BUMPED = change("libgreet", side("libgreet-1.0"), side("libgreet-1.1", "1"))
ADDED = change("wave", None, side("wave-0.1", "1"))
NEWLY_FAILING = change("greet-cli", side("greet-cli-2.0"), side("greet-cli-2.0", "1"))
TRANSITIVE = change("pythonPackages.greet", side("python-greet-2.0"), side("python-greet-2.0", "1"))
STILL_FAILING = change("old-thing", side("old-thing-0.9"), side("old-thing-0.9", "1"))
BASE_UNKNOWN = change("sometimes", side("sometimes-3"), side("sometimes-3", "1"))
REPAIRED = change("repaired", side("repaired-1"), side("repaired-1", "1"))
REMOVED = change("ancient", side("ancient-0.1"), None)
NO_LONGER = change("clock", side("clock-1.0"), None, head_fault=True)
RELICENSED = change(
    "tool",
    side("tool-1", meta=MIT),
    side("tool-1", "1", PackageMeta(licenses=("GPL-3.0-only", "MIT"), maintainers=("alice", "bob"))),
)
UNFREE = change("editor", side("editor-4"), side("editor-4", "1", attrs.evolve(MIT, licenses=("unfree",), unfree=True)))
RENAMED = change("www", side("httpd-2.4"), side("nginx-1.28", "1"), system=ARM)
HOSTILE = change('"| <b>@all</b> `x`"', None, side("hostile-1", "1"), job="extra|<job>")
UNTRIED = change("late", side("late-1"), side("late-1", "1"), system=ARM)
META_ONLY = change("lib", side("lib-1"), side("lib-1", meta=attrs.evolve(MIT, maintainers=())))

CHANGES = (
    REMOVED, NO_LONGER, UNFREE, NEWLY_FAILING, UNTRIED, BUMPED, STILL_FAILING, TRANSITIVE, REPAIRED, BASE_UNKNOWN,
    RELICENSED, ADDED, RENAMED,
)  # fmt: skip

NEW_ERROR = fault(
    "clock",
    "error: attribute 'tick' missing\n       at pkgs/clock.nix:3:5:\n         2|   inputs =\n         3|     tick\n",
    at="pkgs/clock.nix:3:5",
)
STACK = fault("deep", "error: stack overflow; max-call-depth exceeded", FaultKind.STACK_OVERFLOW)
KNOWN_ERROR = fault("broken.forever", "error: broken on purpose")
FIXED_ERROR = fault("mended", "error: was wrong")


def states() -> dict[DrvPath, Build]:
    """Every standing occurs."""
    known = {
        drv("libgreet-1.0"): BuildState.SUCCESS,
        drv("libgreet-1.1", "1"): BuildState.SUCCESS,
        drv("wave-0.1", "1"): BuildState.SUCCESS,
        drv("greet-cli-2.0"): BuildState.SUCCESS,
        drv("greet-cli-2.0", "1"): BuildState.FAILURE,
        drv("python-greet-2.0"): BuildState.SUCCESS,
        drv("old-thing-0.9"): BuildState.FAILURE,
        drv("old-thing-0.9", "1"): BuildState.TIMEOUT,
        drv("sometimes-3", "1"): BuildState.FAILURE,
        drv("repaired-1"): BuildState.FAILURE,
        drv("repaired-1", "1"): BuildState.SUCCESS,
        drv("tool-1", "1"): BuildState.SUCCESS,
        drv("editor-4"): BuildState.SUCCESS,
        drv("editor-4", "1"): BuildState.SUCCESS,
        drv("nginx-1.28", "1"): BuildState.UNSATISFIABLE,
        drv("hostile-1", "1"): BuildState.SUCCESS,
    }
    builds = {path: Build(path, state) for path, state in known.items()}
    blocked = drv("python-greet-2.0", "1")
    blockers = frozenset({drv("greet-cli-2.0", "1")})
    return builds | {blocked: Build(blocked, BuildState.TRANSITIVE_FAILURE, blockers=blockers)}


def failures() -> tuple[Failure, ...]:
    culprit = drv("greet-cli-2.0", "1")
    return (
        Failure(
            places=(NEWLY_FAILING.place, TRANSITIVE.place),
            drv=culprit,
            system=LINUX,
            state=BuildState.FAILURE,
            reason="builder failed with exit code 2",
            log_tail=(
                "unpacking sources",
                "\x1b[31mmain.c:12:5: error:\x1b[0m too few arguments to function 'greet' | ```",
                "   12 |     greet(name);",
                "downloading  10 %\rdownloading 100 %",
                "make: *** [Makefile:3: all] Error 1 \x07@everyone #1 </pre>",
            ),
            log_path="/var/cache/ekaci/logs/1111/build.log",
            reproduce=reproduce(culprit),
            on_base_too=False,
        ),
        Failure(
            places=(BASE_UNKNOWN.place,),
            drv=drv("sometimes-3", "1"),
            system=LINUX,
            state=BuildState.FAILURE,
            reason="output path does not match its hash",
            log_tail=(),
            log_path=None,
            reproduce=reproduce(drv("sometimes-3", "1")),
            on_base_too=False,
        ),
        Failure(
            places=(STILL_FAILING.place,),
            drv=drv("old-thing-0.9", "1"),
            system=LINUX,
            state=BuildState.TIMEOUT,
            reason="no output for 600 s",
            log_tail=("still waiting",),
            log_path="/var/cache/ekaci/logs/1112/build.log",
            reproduce=reproduce(drv("old-thing-0.9", "1")),
            on_base_too=True,
        ),
    )


def impact() -> Impact:
    radius = {drv("libgreet-1.1", "1"): 3, drv("greet-cli-2.0", "1"): 1, drv("wave-0.1", "1"): 0}
    return Impact(
        new_derivations={ARM: 1, LINUX: 1234},
        rebuilt_packages={ARM: 2, LINUX: 10},
        top=(
            BlastRadius(drv("libgreet-1.1", "1"), "libgreet-1.1", LINUX, (AttrPath("libgreet"),), 3),
            BlastRadius(
                drv("greet-cli-2.0", "1"),
                "greet-cli-2.0",
                LINUX,
                tuple(map(AttrPath, ("greet", "greet-cli", "greeter", "greetings"))),
                1,
            ),
        ),
        dependents=radius,
    )


def revision(digit: str, label: str, *, dirty: bool = False) -> Revision:
    return Revision(CommitSha.parse(digit * 40), TreeHash.parse(digit * 40), label, dirty=dirty)


def rich() -> Report:
    """Make the report."""
    jobs = (
        comparison(
            [HOSTILE], job="extra|<job>", unchanged=3, new=[fault(None, "error: lost")], allow_eval_failures=True
        ),
        comparison([], job="gone", missing_on="head"),
        comparison(
            CHANGES,
            unchanged=13_058,
            new=[NEW_ERROR, STACK],
            known=[KNOWN_ERROR],
            fixed=[FIXED_ERROR],
            meta_only=[META_ONLY],
        ),
    )
    outcomes = outcomes_of(jobs, states(), {drv("libgreet-1.1", "1"), drv("sometimes-3", "1")})
    infrastructure = ("the disk of the store is full: 0 bytes left",)
    return Report(
        repository="greetings",
        base=revision("a", "merge base with main"),
        head=revision("b", "HEAD", dirty=True),
        evaluator="nix 2.8.0",
        jobs=jobs,
        outcomes=outcomes,
        impact=impact(),
        failures=failures(),
        verdict=judge(Findings(jobs, outcomes, impact(), infrastructure)),
        timings={"evaluate base": 0.04, "evaluate head": 34.2, "build": 3725.0, "total": 3761.0},
        built=7,
        notes=(".ekaci/config.json is ignored: .eka-ci/config.json is there too",),
        infrastructure=infrastructure,
    )


@pytest.fixture
def report() -> Report:
    return rich()
