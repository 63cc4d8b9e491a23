"""The contract of an evaluator, as tests.

Inherit it, and give it the type, its configuration and an environment in which Nix works::

    class TestMine(EvaluatorConformance):
        @pytest.fixture
        def kind(self):
            return MyType()

        @pytest.fixture
        def environment(self, nix_environment):
            return nix_environment

Nothing is built. The expressions need nothing but Nix.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest

from ekaci_core.api import EvaluatorType
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, FaultKind, NullAttribute
from ekaci_core.model.ids import AttrPath, System
from ekaci_core.process import run
from ekaci_core.testing.builders import plugin_context
from ekaci_core.testing.evaluator_confined import ConfinedConformance
from ekaci_core.testing.evaluator_earlier import EarlierConformance
from ekaci_core.testing.evaluator_known import KnownConformance
from ekaci_core.testing.evaluator_laboratory import (
    ENDLESS,
    FLAKE,
    MARK_VARIABLE,
    PATIENCE_SECONDS,
    PRELUDE,
    Items,
    Laboratory,
    fault,
    package,
    packages,
    processes_with,
)


class EvaluatorConformance(KnownConformance, EarlierConformance, ConfinedConformance):
    """What every evaluator does. Set a flag to False for what an evaluator says that it cannot do."""

    enforces_memory = True
    enforces_timeout = True
    reports_pname = True
    names_every_fault = True

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def kind(self) -> EvaluatorType:
        """The type under test."""
        raise NotImplementedError

    @pytest.fixture
    def configuration(self, kind: EvaluatorType) -> Any:
        """What it is opened with."""
        return kind.config()

    @pytest.fixture
    def environment(self) -> Mapping[str, str]:
        """An environment in which Nix works."""
        raise NotImplementedError

    @pytest.fixture
    async def lab(
        self, kind: EvaluatorType, configuration: Any, environment: Mapping[str, str], tmp_path: Path
    ) -> AsyncIterator[Laboratory]:
        """An open evaluator with a checkout to play with."""
        marked = {**environment, MARK_VARIABLE: uuid.uuid4().hex}
        async with kind.open(configuration, plugin_context(marked)) as evaluator:
            yield Laboratory(evaluator, tmp_path, marked)
        assert not processes_with(marked[MARK_VARIABLE]), "a process outlived the evaluation"

    async def test_identity_names_it(self, lab: Laboratory) -> None:
        assert lab.evaluator.identity.strip()
        assert "\n" not in lab.evaluator.identity

    async def test_derivations_are_those_of_nix(self, lab: Laboratory) -> None:
        items = await lab.evaluate(
            """{
              one = mk "one-1.0";
              two = derivation {
                name = "two"; system = "aarch64-linux"; builder = "/bin/sh"; outputs = [ "dev" "out" ];
              };
            }"""
        )
        assert items.keys() == {"one", "two"}
        one, two = package(items, "one"), package(items, "two")
        assert (one.name, one.system, one.drv) == ("one-1.0", "x86_64-linux", await lab.instantiate("one"))
        assert (two.name, two.system, two.drv) == ("two", "aarch64-linux", await lab.instantiate("two"))
        assert one.outputs.keys() == {"out"}
        assert two.outputs.keys() == {"dev", "out"}
        for item in (one, two):
            assert set(await lab.query("--outputs", item.drv)) - {""} == set(item.outputs.values())

    async def test_sets_are_looked_into_where_they_say_so(self, lab: Laboratory) -> None:
        items = await lab.evaluate(
            """{
              deep = recurse { a = mk "a"; deeper = recurse { b = mk "b"; }; not = { c = mk "c"; }; };
              hidden = { d = mk "d"; };
              off = { recurseForDerivations = false; e = mk "e"; };
            }"""
        )
        found = {attr for attr, item in items.items() if isinstance(item, EvaluatedAttribute)}
        assert found == {"deep.a", "deep.deeper.b"}

    async def test_names_are_quoted_where_they_must(self, lab: Laboratory) -> None:
        names = ["a.b", "texlive.infra", "with space", "c++", "x-1_2'", "ünïcode", "${x}", "100"]
        attributes = " ".join(f'"{name.replace("${", chr(92) + "${")}" = mk "p{n}";' for n, name in enumerate(names))
        items = await lab.evaluate(f"{{ set = recurse {{ {attributes} }}; }}")
        expected = {AttrPath.of(("set", name)) for name in names}
        assert {attr for attr, item in items.items() if isinstance(item, EvaluatedAttribute)} == expected

    async def test_null_is_an_item_of_its_own(self, lab: Laboratory) -> None:
        items = await lab.evaluate('{ nothing = null; set = recurse { nothing = null; a = mk "a"; }; }')
        assert isinstance(items["nothing"], NullAttribute)
        assert isinstance(items["set.nothing"], NullAttribute)

    async def test_a_derivation_without_outputs_attribute(self, lab: Laboratory) -> None:
        items = await lab.evaluate('{ bare = builtins.removeAttrs (mk "bare") [ "outputs" "all" ]; }')
        assert package(items, "bare").outputs.keys() == {"out"}

    async def test_meta(self, lab: Laboratory) -> None:
        items = await lab.evaluate(
            """{
              full = with_ "full-1" { pname = "full"; version = "1"; meta = {
                description = "with \\"quotes\\", a \\\\ and a ${"$"}{brace}"; homepage = null; broken = false;
                license = [ { spdxId = "MIT"; free = true; } ]; maintainers = [ { github = "somebody"; } ];
                position = toString ./job.nix + ":7"; longDescription = "not kept"; platforms = [ "x86_64-linux" ];
              }; };
              none = mk "none";
              functions = with_ "functions" { meta = { description = "kept"; license = x: x; }; };
            }"""
        )
        full = package(items, "full")
        assert full.meta == {
            "description": 'with "quotes", a \\ and a ${brace}',
            "broken": False,
            "license": [{"spdxId": "MIT", "free": True}],
            "maintainers": [{"github": "somebody"}],
            "position": "job.nix:7",
        }
        if self.reports_pname:
            assert (full.pname, full.version) == ("full", "1")
        assert not package(items, "none").meta
        assert package(items, "functions").meta == {"description": "kept"}

    @pytest.mark.parametrize("bad", ['throw "no"', "{ }.missing", "assert false; 1", 'abort "no"'])
    async def test_meta_that_fails_is_a_fault_of_its_attribute(self, lab: Laboratory, bad: str) -> None:
        items = await lab.evaluate(f'{{ bad = with_ "bad" {{ meta.branch = {bad}; }}; good = mk "good"; }}')
        assert fault(items, "bad").kind is FaultKind.ERROR
        packages(items, "good")

    @pytest.mark.parametrize(
        ("expression", "expected", "said"),
        [
            ('throw "thrown"', FaultKind.ERROR, "thrown"),
            ('abort "aborted"', FaultKind.ERROR, "aborted"),
            ("assert false; null", FaultKind.ERROR, "assert"),
            ("{ }.missing", FaultKind.ERROR, "missing"),
            ("(({ needed }: needed) { })", FaultKind.ERROR, "needed"),
            ("({ needed }: needed)", FaultKind.ERROR, "needed"),
            ('"text" + 1', FaultKind.ERROR, "integer"),
            ("let x = x; in x", FaultKind.INFINITE_RECURSION, "infinite recursion"),
            ("import ./broken.nix", FaultKind.ERROR, "syntax error"),
            ("import ./unfinished.nix", FaultKind.ERROR, "syntax error"),
            ("import ./missing.nix", FaultKind.ERROR, "missing.nix"),
            ("import ./undefined.nix", FaultKind.ERROR, "undefined variable"),
            ("(x: x)", FaultKind.NOT_A_PACKAGE, "function"),
            ("42", FaultKind.NOT_A_PACKAGE, "integer"),
            ('"text"', FaultKind.NOT_A_PACKAGE, "string"),
            ("[ ]", FaultKind.NOT_A_PACKAGE, "list"),
            ('builtins.removeAttrs (mk "s") [ "system" ]', FaultKind.ERROR, "system"),
        ],
    )
    async def test_a_fault_costs_its_attribute_alone(
        self, lab: Laboratory, expression: str, expected: FaultKind, said: str
    ) -> None:
        lab.write("broken.nix", "{ = }\n")
        lab.write("unfinished.nix", "{ a = [ 1\n")
        lab.write("undefined.nix", "{ }: nowhere_defined\n")
        items = await lab.evaluate(
            f'{{ a = mk "a"; b = {expression}; c = mk "c"; set = recurse {{ d = {expression}; e = mk "e"; }}; }}'
        )
        packages(items, "a", "c", "set.e")
        for attr in ("b", "set.d") if self.names_every_fault else items.keys() & {"b", "set.d"}:
            found = fault(items, attr)
            assert found.kind is expected
            assert said in found.message
            assert str(lab.root) not in found.message
            assert "ekaci_core" not in found.message, "the evaluator's own expressions are of no interest"
            assert "\x1b" not in found.message
            if "./unfinished" in expression:
                assert "unfinished.nix" in found.message

    async def test_a_fault_has_a_place_in_the_checkout(self, lab: Laboratory) -> None:
        lab.write("lib/deep.nix", "\n\n{ }.nowhere\n")
        found = fault(await lab.evaluate("{ a = import ./lib/deep.nix; }"), "a")
        assert found.position is not None
        assert found.position.startswith("lib/deep.nix:3:")
        assert "lib/deep.nix:3:" in found.message
        assert "nowhere\n" in found.message, "the line itself is shown"

    async def test_what_else_is_printed_does_not_get_into_faults(self, lab: Laboratory) -> None:
        items = await lab.evaluate(
            '{ a = builtins.trace "error: loud\\ntrace: louder" (mk "a"); b = builtins.trace "loud" (throw "quiet"); }'
        )
        packages(items, "a")
        message = fault(items, "b").message
        assert "error: quiet" in message
        assert "loud" not in message.partition("error: quiet")[0]

    async def test_an_overflown_stack(self, lab: Laboratory) -> None:
        items = await lab.evaluate(
            '{ a = mk "a"; c = mk "c"; d = recurse { e = mk "e"; };'
            ' b = let f = x: 1 + f x; in mk "b${toString (f 0)}"; }'
        )
        packages(items, "a", "c", "d.e")
        assert fault(items, "b").kind is FaultKind.STACK_OVERFLOW

    async def test_an_attribute_that_needs_too_much_memory(self, lab: Laboratory) -> None:
        if not self.enforces_memory:
            pytest.skip("the evaluator says that it cannot bound the memory of one attribute")
        items = await lab.evaluate(
            """{ a = mk "a"; c = mk "c";
                 b = mk "b${toString (builtins.length (builtins.filter (x: x == { })
                   (builtins.genList (x: [ x ]) 90000000)))}"; }""",
            memory_mib=500,
        )
        packages(items, "a", "c")
        assert fault(items, "b").kind is FaultKind.OUT_OF_MEMORY

    async def test_workers_over_their_memory_are_replaced(self, lab: Laboratory) -> None:
        names = [f"p{number}" for number in range(80)]
        hungry = 'mk "p${toString (builtins.length (builtins.genList (x: x + n) 300000))}-${toString n}"'
        items = await lab.evaluate(
            f"""builtins.listToAttrs (builtins.genList (n: {{ name = "p${{toString n}}"; value =
                let kept = builtins.genList (x: x + n) 300000; in builtins.seq (builtins.foldl' (a: b: a + b) 0 kept)
                ({hungry} // {{ inherit kept; }}); }}) {len(names)})""",
            memory_mib=450,
        )
        assert {attr for attr, item in items.items() if isinstance(item, EvaluatedAttribute)} == set(names)

    async def test_an_attribute_that_hangs(self, lab: Laboratory) -> None:
        if not self.enforces_timeout:
            pytest.skip("the evaluator says that it cannot bound the time of one attribute")
        items = await lab.evaluate(
            """{ a = mk "a"; c = mk "c";
                 b = mk "b${toString (builtins.length (builtins.genericClosure {
                   startSet = [ { key = 0; } ]; operator = { key }: [ { key = builtins.bitAnd (key + 1) 1023; } ]
                     ++ builtins.genList (x: { key = builtins.bitAnd (x + key) 1023; }) 1000000; }))}"; }""",
            timeout_seconds=1.5,
        )
        packages(items, "a", "c")
        assert fault(items, "b").kind is FaultKind.TIMEOUT

    async def test_derivations_have_gc_roots_before_they_are_told(self, lab: Laboratory) -> None:
        mark = uuid.uuid4().hex
        lab.write("job.nix", PRELUDE + f'{{ a = mk "a-{mark}"; b = recurse {{ c = mk "c-{mark}"; }}; }}')
        request = lab.request()
        seen = 0
        async with lab.evaluator.evaluate(request) as batches:
            async for batch in batches:
                for item in batch:
                    if isinstance(item, EvaluatedAttribute):
                        seen += 1
                        roots = await lab.query("--roots", item.drv)
                        assert any(root.startswith(f"{request.gc_roots}/") for root in roots), roots
        assert seen == 2

    async def test_globs(self, lab: Laboratory) -> None:
        expression = """{
          curl = mk "curl"; curlFull = mk "full"; bad = abort "not asked for";
          perl = recurse { DBI = mk "dbi"; XML = mk "xml"; deep = recurse { DBI = mk "deep"; }; };
          other = recurse { DBI = abort "not asked for"; };
        }"""
        for globs, expected in (
            (("curl",), {"curl"}),
            (("curl*",), {"curl", "curlFull"}),
            (("perl.DBI", "curl"), {"perl.DBI", "curl"}),
            (("perl.*",), {"perl.DBI", "perl.XML", "perl.deep.DBI", "perl.recurseForDerivations",
                           "perl.deep.recurseForDerivations"}),
            (("nothing",), set()),
        ):  # fmt: skip
            assert (await lab.evaluate(expression, attr_globs=globs)).keys() == expected, globs

    async def test_the_top_may_be_a_function(self, lab: Laboratory) -> None:
        lab.write(
            "job.nix",
            """{ system ? "i686-linux", suffix ? "-x" }: {
              a = derivation { name = "a${suffix}"; inherit system; builder = "/bin/sh"; };
            }""",
        )
        assert package(await lab.evaluate(), "a").system == "i686-linux"
        assert package(await lab.evaluate(system=System("riscv64-linux")), "a").system == "riscv64-linux"

    async def test_a_function_with_defaults_is_called(self, lab: Laboratory) -> None:
        items = await lab.evaluate(
            '{ a = { name ? "a" }: mk name; b = { __functor = self: { name ? "b" }: mk name; };'
            ' c = { x ? 1 }: recurse { d = mk "d"; }; }'
        )
        assert {attr for attr, item in items.items() if isinstance(item, EvaluatedAttribute)} == {"a", "b", "c.d"}

    async def test_a_directory_and_a_way_into_it(self, lab: Laboratory) -> None:
        lab.write("ci/default.nix", PRELUDE + '{ jobs."x86.64".inner = { a = mk "a"; }; other = abort "no"; }')
        items = await lab.evaluate(file="ci", attr_path='jobs."x86.64".inner')
        assert items.keys() == {"a"}

    async def test_the_nix_path(self, lab: Laboratory) -> None:
        lab.write("elsewhere/default.nix", '{ name = "from-the-path"; }')
        expression = "{ a = mk (import <elsewhere>).name; }"
        found = await lab.evaluate(expression, nix_path=(f"elsewhere={lab.root}/elsewhere",))
        assert package(found, "a").name == "from-the-path"
        assert fault(await lab.evaluate(expression), "a").kind is FaultKind.ERROR

    async def test_an_empty_set(self, lab: Laboratory) -> None:
        assert await lab.evaluate("{ }") == {}

    @pytest.mark.parametrize(
        ("text", "said"),
        [("{ a = ; }", "syntax error"), ("{ a = 1", "syntax error"), ('throw "all of it"', "all of it")],
    )
    async def test_a_job_that_fails_as_a_whole(self, lab: Laboratory, text: str, said: str) -> None:
        lab.write("job.nix", text)
        items = await lab.evaluate()
        assert items.keys() == {""}
        assert said in fault(items, "").message

    async def test_a_job_that_is_no_set(self, lab: Laboratory) -> None:
        assert fault(await lab.evaluate("42"), "").kind is FaultKind.NOT_A_PACKAGE
        assert "nowhere.nix" in fault(await lab.evaluate(file="nowhere.nix"), "").message
        assert package(await lab.evaluate('mk "alone"'), "").name == "alone"

    async def test_a_flake(self, lab: Laboratory) -> None:
        lab.write("flake.nix", FLAKE)
        for command in (["git", "init", "-q"], ["git", "add", "flake.nix"]):
            assert (await run(command, env=lab.environment, cwd=lab.root)).status == 0
        items = await lab.evaluate(file="flake.nix", flake=True, system=System("x86_64-linux"))
        assert items.keys() == {"packages.default", "packages.bad", "checks.lint"}
        assert package(items, "packages.default").name == "default"
        found = fault(items, "packages.bad")
        assert "bad" in found.message
        assert "/nix/store" not in found.message

    async def test_workers_share_the_work(self, lab: Laboratory) -> None:
        expression = """let numbers = builtins.genList (n: n) 300; in builtins.listToAttrs (map (n: {
            name = "p${toString n}";
            value = if n - 7 * (n / 7) == 0 then abort "seven" else mk "p${toString n}";
          }) numbers) // { set = recurse { x = mk "x"; y = null; }; }"""
        one, three = await lab.evaluate(expression), await lab.evaluate(expression, workers=3)
        assert one == three
        assert sum(isinstance(item, AttributeFault) for item in one.values()) == 43 + 1
        assert len(one) == 303

    async def test_leaving_early_ends_everything(self, lab: Laboratory) -> None:
        lab.write("job.nix", PRELUDE + ENDLESS)
        with anyio.fail_after(PATIENCE_SECONDS):
            async with lab.evaluator.evaluate(lab.request(workers=2)):
                await anyio.sleep(1)
            assert not processes_with(lab.environment[MARK_VARIABLE])

    async def test_cancellation_ends_everything(self, lab: Laboratory) -> None:
        lab.write("job.nix", PRELUDE + ENDLESS)
        with anyio.move_on_after(1):
            await lab.evaluate(workers=2)
        assert not processes_with(lab.environment[MARK_VARIABLE])

    async def test_an_error_of_the_caller_comes_back_as_it_is(self, lab: Laboratory) -> None:
        lab.write("job.nix", PRELUDE + '{ a = mk "a"; }')
        with pytest.raises(LookupError, match="mine"):
            async with lab.evaluator.evaluate(lab.request()):
                raise LookupError("mine")

    async def test_several_evaluations_at_once(self, lab: Laboratory) -> None:
        lab.write("job.nix", PRELUDE + '{ a = mk "a"; set = recurse { b = mk "b"; c = throw "c"; }; }')
        found: list[Items] = []

        async def one() -> None:
            found.append(await lab.evaluate())

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(one)
        assert found[0] == found[1] == found[2]
        assert found[0].keys() >= {"a", "set.b", "set.c"}
