"""The evaluator `nix-eval-jobs`: with the program itself where it is installed, else with a stand-in for it.

The stand-in is an executable of that name. It refuses a command line that the program would not understand, and
prints what a test tells it to.
"""

from __future__ import annotations

import json
import shutil
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ekaci_core.api import EvaluationRequest, EvaluatorType, EvaluatorUnavailable
from ekaci_core.builtin.evaluators import AutoConfig, AutoType, NixEvalJobsConfig, NixEvalJobsType, choose
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, EvaluatedItem, FaultKind, NullAttribute
from ekaci_core.model.ids import AttrPath, System
from ekaci_core.nix.versions import NixVersion
from ekaci_core.testing.builders import plugin_context
from ekaci_core.testing.evaluators import EvaluatorConformance

pytestmark = [pytest.mark.nix, pytest.mark.anyio]

STAND_IN = """#!{python}
import json, os, signal, sys, time

FLAGS = {{"--workers": 1, "--max-memory-size": 1, "--gc-roots-dir": 1, "--meta": 0, "--impure": 0, "-I": 1}}
FLAGS["--argstr"] = 2
script = json.loads({script!r})
if sys.argv[1:] == ["--help"]:
    print("\\n".join("  " + flag for flag in script.get("flags", FLAGS)))
    sys.exit(0)
if sys.argv[1:] == ["--version"]:
    print(script.get("version", ""))
    sys.exit(0 if "version" in script else 1)
rest = sys.argv[1:]
while rest and rest[0].startswith("-"):
    if rest[0] not in FLAGS:
        sys.exit("error: unrecognised flag '%s'" % rest[0])
    del rest[: 1 + FLAGS[rest[0]]]
if len(rest) != 1 or not os.path.exists(rest[0]) or "--gc-roots-dir" not in sys.argv:
    sys.exit("error: wrong arguments")
with open({seen!r}, "w") as seen:
    json.dump({{"argv": sys.argv[1:], "file": open(rest[0]).read() if os.path.isfile(rest[0]) else None}}, seen)
for line in script["lines"]:
    print(line if isinstance(line, str) else json.dumps(line), flush=True)
print(script.get("stderr", ""), file=sys.stderr, flush=True)
if "signal" in script:
    os.kill(os.getpid(), script["signal"])
time.sleep(script.get("seconds", 0))
sys.exit(script.get("status", 0))
"""
HASH = "0" * 32
JOB = """let mk = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
in { a = mk "a"; b = mk "b"; c = throw "c"; set = { recurseForDerivations = true; d = mk "d"; e = mk "e"; }; }"""


def line(attr: str, *path: str, **more: Any) -> dict[str, Any]:
    return {"attr": attr, "attrPath": list(path) or [attr], **more}


def drv(attr: str, *path: str, **more: Any) -> dict[str, Any]:
    told = {"drvPath": f"/nix/store/{HASH}-told.drv", "name": "told", "system": "x86_64-linux"}
    return line(attr, *path, **told, outputs={"out": f"/nix/store/{HASH}-told"}, **more)


class Stage:
    """A checkout, and a stand-in on PATH in front of the real Nix."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.root = folder / "checkout"
        self.root.mkdir()
        (self.root / "job.nix").write_text(JOB)
        self._bin = folder / "bin"
        self._bin.mkdir()
        self._seen = folder / "seen.json"
        self.environment = {**environment, "PATH": f"{self._bin}:{environment['PATH']}"}
        self._folder = folder

    def script(self, lines: Sequence[object] = (), **more: Any) -> None:
        program = self._bin / "nix-eval-jobs"
        text = json.dumps({"lines": lines, **more})
        program.write_text(STAND_IN.format(python=sys.executable, script=text, seen=str(self._seen)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    @property
    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._seen.read_text())
        return found

    async def evaluate(self, **more: Any) -> list[EvaluatedItem]:
        roots = self._folder / "roots"
        roots.mkdir(exist_ok=True)
        given: dict[str, Any] = {"root": self.root, "file": "job.nix", "gc_roots": roots, **more}
        context = plugin_context(self.environment)
        items: list[EvaluatedItem] = []
        async with (
            NixEvalJobsType().open(NixEvalJobsConfig(), context) as evaluator,
            evaluator.evaluate(EvaluationRequest(**given)) as batches,
        ):
            async for batch in batches:
                items.extend(batch)
        return items


@pytest.fixture
def stage(nix_environment: Mapping[str, str], tmp_path: Path) -> Stage:
    return Stage(nix_environment, tmp_path)


def by_attr(items: Sequence[EvaluatedItem]) -> dict[str | None, EvaluatedItem]:
    assert len({item.attr for item in items}) == len(items), "an attribute came twice"
    return {item.attr: item for item in items}


async def test_what_is_known_is_told_again_by_the_program_but_not_evaluated_by_its_successor(stage: Stage) -> None:
    stage.script([drv("a")], signal=9)
    items = by_attr(await stage.evaluate(known=frozenset({AttrPath("a"), AttrPath("b"), AttrPath("set.d")})))
    assert items.keys() - {"set.recurseForDerivations"} == {"a", "c", "set.e"}


async def test_lines_become_items(stage: Stage) -> None:
    stage.script(
        [
            drv("a", meta={"description": "d"}),
            drv('set."x.y"', "set", "x.y"),
            line("nothing"),
            line("bad", error=f"error: no\n\n       at {stage.root}/job.nix:1:2:"),
            {"error": "error: undefined variable 'x'"},
        ]
    )
    items = by_attr(await stage.evaluate(workers=3, memory_mib=700))
    assert items.keys() == {"a", 'set."x.y"', "nothing", "bad", None}
    assert isinstance(items["a"], EvaluatedAttribute)
    assert isinstance(items["nothing"], NullAttribute)
    bad = items["bad"]
    assert isinstance(bad, AttributeFault)
    assert bad.position == "job.nix:1:2"
    argv = stage.seen["argv"]
    assert argv[argv.index("--workers") + 1] == "3"
    assert argv[argv.index("--max-memory-size") + 1] == "700"


@pytest.mark.parametrize("end", [{"status": 1, "stderr": "error: worker error: unexpected EOF"}, {"signal": 9}])
async def test_what_it_leaves_when_it_dies_is_done_by_nix(stage: Stage, end: dict[str, Any]) -> None:
    stage.script([drv("a"), drv("set.d", "set", "d"), {"error": "error: lost"}], **end)
    items = by_attr(await stage.evaluate())
    assert items.keys() == {"a", "b", "c", "set.d", "set.e", "set.recurseForDerivations"}
    names = {attr: item.name for attr, item in items.items() if isinstance(item, EvaluatedAttribute)}
    assert names == {"a": "told", "b": "b", "set.d": "told", "set.e": "e"}
    assert isinstance(items["c"], AttributeFault)


@pytest.mark.parametrize("garbage", ["what is this", "[1]", "x" * 10_000_000, '{"attr": "b", "drvPath": '])
async def test_after_garbage_nix_looks_for_what_is_missing(stage: Stage, garbage: str) -> None:
    stage.script([drv("a"), garbage, drv("set.d", "set", "d")])
    items = by_attr(await stage.evaluate())
    assert items.keys() == {"a", "b", "c", "set.d", "set.e", "set.recurseForDerivations"}


async def test_a_line_of_ten_megabytes(stage: Stage) -> None:
    stage.script([drv("a", meta={"description": "x" * 10_000_000})])
    item = by_attr(await stage.evaluate())["a"]
    assert isinstance(item, EvaluatedAttribute)
    assert item.meta is not None
    assert len(item.meta["description"]) == 10_000_000


async def test_the_same_attribute_twice_counts_once(stage: Stage) -> None:
    stage.script([drv("a"), line("a", error="error: again")])
    assert isinstance(by_attr(await stage.evaluate())["a"], EvaluatedAttribute)


async def test_a_full_disk_is_no_fault_of_an_attribute(stage: Stage) -> None:
    stage.script([drv("a")], status=1, stderr="error: writing to file: No space left on device")
    with pytest.raises(InfrastructureFault, match="No space left"):
        await stage.evaluate()


async def test_a_job_that_fails_as_a_whole(stage: Stage) -> None:
    (stage.root / "job.nix").write_text("{ a = ; }")
    stage.script([], status=1, stderr="error: worker error: error: syntax error")
    [item] = await stage.evaluate()
    assert isinstance(item, AttributeFault)
    assert (item.attr, item.kind) == ("", FaultKind.ERROR)
    assert "syntax error" in item.message


async def test_globs_choose_from_what_it_prints(stage: Stage) -> None:
    stage.script([drv("a"), drv("b"), drv("set.d", "set", "d")])
    assert by_attr(await stage.evaluate(attr_globs=("set.*", "b"))).keys() == {"b", "set.d"}


async def test_system_nix_path_and_a_part_of_the_file(stage: Stage) -> None:
    stage.script([drv("a")])
    await stage.evaluate(system=System("riscv64-linux"), nix_path=("x=/y",))
    argv = stage.seen["argv"]
    assert argv[argv.index("--argstr") :][:3] == ["--argstr", "system", "riscv64-linux"]
    assert argv[argv.index("-I") + 1] == "x=/y"
    assert argv[-1] == str(stage.root / "job.nix")
    await stage.evaluate(attr_path="set")
    assert '\\"attrPath\\":[\\"set\\"]' in stage.seen["file"]


async def test_the_version_is_part_of_the_identity(stage: Stage) -> None:
    identities = []
    for script in ({"version": "2.26.0"}, {}, {"seconds": 0}):
        stage.script([], **script)
        async with NixEvalJobsType().open(NixEvalJobsConfig(), plugin_context(stage.environment)) as evaluator:
            identities.append(evaluator.identity)
    assert identities[0] == "nix-eval-jobs 2.26.0"
    assert len(set(identities)) == 3, "builds that do not tell their version differ all the same"


async def test_a_program_without_what_we_need_is_unavailable(stage: Stage) -> None:
    stage.script([], flags=["--workers"])
    with pytest.raises(EvaluatorUnavailable, match="--gc-roots-dir, --meta, --max-memory-size"):
        await stage.evaluate()


async def test_no_program(stage: Stage) -> None:
    if shutil.which("nix-eval-jobs"):
        pytest.skip("nix-eval-jobs is installed")
    with pytest.raises(EvaluatorUnavailable, match="nix-eval-jobs was not found") as caught:
        await stage.evaluate()
    assert "`nix`" in str(caught.value.do)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("nix (Nix) 2.8.0", "nix"),
        ("nix (Nix) 2.26.3", "nix"),
        ("nix (Lix, like Nix) 2.93.0", "nix"),
        (None, "nix-eval-jobs"),
    ],
)
def test_the_choice(version: str | None, name: str) -> None:
    assert choose(None if version is None else NixVersion.parse(version)) == name


async def test_auto_is_nix_although_the_other_is_there(stage: Stage) -> None:
    stage.script([])
    async with AutoType().open(AutoConfig(), plugin_context(stage.environment)) as evaluator:
        assert evaluator.identity.startswith("nix 2.")


async def test_auto_without_any_nix(tmp_path: Path) -> None:
    with pytest.raises(EvaluatorUnavailable, match="Nix is not installed"):
        async with AutoType().open(AutoConfig(), plugin_context({"PATH": str(tmp_path)})):
            raise AssertionError("it opened")


if shutil.which("nix-eval-jobs"):  # else some fifty lines would say that it is not installed

    class TestNixEvalJobs(EvaluatorConformance):
        enforces_memory = False
        enforces_timeout = False
        reports_pname = False
        names_every_fault = False

        @pytest.fixture
        def kind(self) -> EvaluatorType:
            return NixEvalJobsType()

        @pytest.fixture
        def environment(self, nix_environment: Mapping[str, str]) -> Mapping[str, str]:
            return nix_environment
