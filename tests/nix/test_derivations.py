"""Our reading of derivation files against Nix's own, which it prints as JSON."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest

from ekaci_core.model.derivation import Derivation, Output
from ekaci_core.model.ids import DrvPath, StorePath, System
from ekaci_core.nix.aterm import parse_derivation, render_derivation
from ekaci_core.nix.dry_run import BuildPlan, build_plan
from ekaci_core.nix.names import parse_name
from ekaci_core.nix.path_info import PathInfo, invalid_paths, parse_path_info, path_info_commands
from ekaci_core.nix.records import parse_record, read_closure, read_file, record_of

RECORDED = Path(__file__).parents[1] / "data/nix"
needs_nix = pytest.mark.nix

P = TypeVar("P", bound=StorePath)

EXPRESSION = r"""
{ salt, odd ? "" }:
let
  make = name: more: derivation ({
    inherit name salt;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" "echo ${name} > $out" ];
  } // more);
in rec {
  plain = make "plain-1.0" { pname = "plain"; version = "1.0"; preferLocalBuild = true; };
  features = make "features" { requiredSystemFeatures = [ "kvm" "big-parallel" ]; };
  outputs = make "outputs" { outputs = [ "out" "dev" "a" ]; };
  source = make "source" { src = ./source.txt; };
  fixedFlat = make "fixed-flat" {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  };
  fixedRecursive = make "fixed-recursive" {
    outputHashMode = "recursive";
    outputHashAlgo = "sha1";
    outputHash = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
  };
  floating = make "floating" { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
  deferred = make "deferred" { inherit floating; };
  foreign = make "foreign" { system = "riscv64-linux"; };
  text = make "text" {
    inherit odd;
    quotes = "\"\\\" $x \${y} ''";
    blanks = "\n\r\t \f";
    unicode = "caf\u00e9 é 中 🦆";
  };
  structured = make "structured" {
    __structuredAttrs = true;
    pname = "str\"uct";
    version = "2";
    preferLocalBuild = true;
    requiredSystemFeatures = [ "nixos-test" ];
    nested = { list = [ 1 "two\n" 3.5 null true ]; inherit plain; };
  };
  needy = make "needy-2" {
    inherit plain features structured;
    dev = outputs.dev;
    all = map (name: outputs.${name}) [ "out" "a" ];
  };
}
"""


def shown(answer: Any) -> dict[DrvPath, Derivation]:
    """Read the JSON of ``nix show-derivation`` (2.8) or ``nix derivation show``, of which there are four versions."""
    return {DrvPath.parse(path): _shown(entry) for path, entry in answer.get("derivations", answer).items()}


def _shown(entry: Mapping[str, Any]) -> Derivation:
    inputs = entry.get("inputs") or {"drvs": entry["inputDrvs"], "srcs": entry["inputSrcs"]}
    env = dict(entry["env"])
    if "structuredAttrs" in entry:
        env["__json"] = entry["structuredAttrs"]
    elif "__json" in env:
        env["__json"] = json.loads(env["__json"])
    return Derivation(
        outputs=tuple(_output(name, output) for name, output in sorted(entry["outputs"].items())),
        input_drvs={
            DrvPath.parse(path): tuple(sorted(wanted if isinstance(wanted, list) else wanted["outputs"]))
            for path, wanted in inputs["drvs"].items()
        },
        input_srcs=tuple(sorted(StorePath.parse(path) for path in inputs["srcs"])),
        system=System(entry["system"]),
        builder=entry["builder"],
        args=tuple(entry["args"]),
        env=env,
    )


def _output(name: str, output: Mapping[str, Any]) -> Output:
    algorithm, digest = output.get("hashAlgo", ""), output.get("hash", "")
    if "-" in digest:
        algorithm, _, encoded = digest.partition("-")
        digest = base64.b64decode(encoded).hex()
    prefix = {"nar": "r:", "text": "text:", "git": "git:"}.get(output.get("method", ""), "")
    path = output.get("path")
    return Output(name, StorePath.parse(path) if path else None, prefix + algorithm, digest)


def comparable(derivation: Derivation) -> Derivation:
    """Bring our own into the form of `shown`, where structured attributes are an object."""
    env: dict[str, Any] = dict(derivation.env)
    if "__json" in env:
        env["__json"] = json.loads(env["__json"])
    return attrs.evolve(derivation, env=env)


@pytest.mark.parametrize("version", ["2.8.0", "2.26.3"])
def test_recorded_answers_show_what_we_read(version: str) -> None:
    answer = json.loads((RECORDED / version / "derivation-show.json").read_text())
    assert list(shown(answer).values()) == [parse_derivation((RECORDED / "top.drv").read_bytes())]


@pytest.fixture(scope="module")
def environment(nix_environment: dict[str, str]) -> dict[str, str]:
    config = nix_environment["NIX_CONFIG"] + "\nextra-experimental-features = ca-derivations"
    return nix_environment | {"NIX_CONFIG": config}


def ask(argv: list[str], environment: Mapping[str, str], cwd: Path | None = None) -> str:
    done = subprocess.run(argv, env=dict(environment), cwd=cwd, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def target(kind: type[P], root: str) -> P:
    """Follow a gc root."""
    return kind(Path(root.strip()).resolve())


@pytest.fixture(scope="module")
def derivations(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, DrvPath]:
    """Instantiate the expression; the roots keep the files until the test is over."""
    folder = tmp_path_factory.mktemp("derivations")
    (folder / "default.nix").write_text(EXPRESSION)
    (folder / "source.txt").write_text("source")
    root = folder / "root"
    ask(["nix-instantiate", "--argstr", "salt", str(folder), "--add-root", str(root)], environment, folder)
    paths = [DrvPath(link.resolve()) for link in folder.glob("root*")]
    return {parse_name(path.name)[0]: path for path in paths}


@needs_nix
def test_each_kind_of_derivation_is_read_as_nix_shows_it(
    derivations: dict[str, DrvPath], environment: dict[str, str]
) -> None:
    answer = json.loads(ask(["nix", "show-derivation", *derivations.values()], environment))
    ours = {path: comparable(parse_derivation(read_file(path), where=path)) for path in derivations.values()}
    assert len(ours) == 12
    assert ours == shown(answer)


@needs_nix
def test_each_kind_is_rendered_byte_for_byte_and_recorded_alike_by_both_ways(derivations: dict[str, DrvPath]) -> None:
    for path in derivations.values():
        data = read_file(path)
        derivation = parse_derivation(data)
        assert render_derivation(derivation) == data
        assert parse_record(path, data) == record_of(path, derivation)


@needs_nix
def test_records_say_what_the_expression_said(derivations: dict[str, DrvPath]) -> None:
    records = {name: parse_record(path, read_file(path)) for name, path in derivations.items()}
    plain, structured = records["plain"], records["structured"]
    assert (plain.name, plain.pname, plain.version, plain.prefer_local) == ("plain-1.0", "plain", "1.0", True)
    assert (structured.pname, structured.version, structured.prefer_local) == ('str"uct', "2", True)
    assert records["features"].features == ("kvm", "big-parallel")
    assert structured.features == ("nixos-test",)
    assert [output.name for output in records["outputs"].outputs] == ["a", "dev", "out"]
    assert [name for name, record in sorted(records.items()) if record.is_fixed_output] == [
        "fixed-flat",
        "fixed-recursive",
    ]
    (floating,), (deferred,) = records["floating"].outputs, records["deferred"].outputs
    assert (floating.path, floating.method_and_algorithm) == (None, "r:sha256")
    assert (deferred.path, deferred.method_and_algorithm) == (None, "")
    assert records["foreign"].system == "riscv64-linux"


@needs_nix
def test_text_that_is_not_utf8_survives(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "default.nix").write_bytes(EXPRESSION.encode().replace(b'odd ? ""', b'odd ? "caf\xe9"'))
    (tmp_path / "source.txt").write_text("source")
    argv = ["nix-instantiate", "--argstr", "salt", "x", "-A", "text", "--add-root", str(tmp_path / "root")]
    path = target(DrvPath, ask(argv, environment, tmp_path))
    derivation = parse_derivation(read_file(path))
    assert derivation.env["odd"].encode("utf-8", "surrogateescape") == b"caf\xe9"
    assert render_derivation(derivation) == read_file(path)


@needs_nix
def test_a_closure_is_the_one_that_nix_knows(derivations: dict[str, DrvPath], environment: dict[str, str]) -> None:
    records = read_closure([derivations["needy"]], lambda path: path == derivations["plain"])
    closure = ask(["nix-store", "--query", "--requisites", derivations["needy"]], environment).split()
    known = {derivations["plain"]}
    assert {record.path for record in records} == {path for path in closure if path.endswith(".drv")} - known
    assert records[-1].path == derivations["needy"]


@needs_nix
@pytest.mark.anyio
async def test_the_plan_follows_what_is_valid(
    derivations: dict[str, DrvPath], environment: dict[str, str], tmp_path: Path
) -> None:
    plain, source = derivations["plain"], derivations["source"]
    vanished = DrvPath.parse("0" * 32 + "-vanished.drv")
    assert await build_plan([plain, vanished], environment) == BuildPlan(
        to_build=frozenset({plain}), unknown=frozenset({vanished})
    )
    built = ask(["nix-store", "--realise", plain, "--add-root", str(tmp_path / "out")], environment)
    assert await build_plan([plain, source], environment) == BuildPlan(to_build=frozenset({source}))
    output = target(StorePath, built)
    gone = StorePath.parse("0" * 32 + "-gone")
    assert await invalid_paths([output, plain, vanished, gone], environment) == {vanished, gone}
    (argv,) = path_info_commands([output, gone], closure_size=True)
    info = parse_path_info(ask(argv, environment))
    assert info[gone] is None
    found = info[output]
    assert found is not None
    assert found == PathInfo(found.nar_size, (), plain, found.nar_size)
    assert found.nar_size > 0


@needs_nix
def test_names_are_split_as_nix_splits_them(environment: dict[str, str]) -> None:
    names = ["hello-2.12", "hello", "linux-headers", "perl5.38.2-Term-VT102-0.91", "foo-v1.0", "a-unstable-2024-01-01"]
    names += ["foo-", "foo--1", "-1", "a-b-c", "foo-_1", "x-1-y-2", "gtk+-2.24", "foo-?", "foo-+x", "a-.b", ""]
    expression = "map builtins.parseDrvName (builtins.fromJSON (builtins.getEnv ''NAMES''))"
    answer = ask(
        ["nix-instantiate", "--eval", "--strict", "--json", "--expr", expression],
        environment | {"NAMES": json.dumps(names)},
    )
    assert [parse_name(name) for name in names] == [
        (each["name"], each["version"] or None) for each in json.loads(answer)
    ]
