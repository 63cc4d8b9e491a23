"""``ekaci build``, ``queue``, ``builders``, ``drv`` and ``cancel`` as a person runs them, with a real Nix."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

pytestmark = pytest.mark.nix

EKACI = str(Path(sys.executable).parent / "ekaci")
UNKNOWN = "/nix/store/00000000000000000000000000000000-unknown.drv"

EXPRESSION = """
let
  make = name: deps: script: derivation {
    inherit name deps;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" script ];
    salt = "SALT";
  };
in rec {
  lib = make "lib" [ ] "echo lib > $out";
  mid = make "mid" [ lib ] "echo mid > $out";
  app = make "app" [ mid lib ] "echo app > $out";
  suite = make "suite" [ app ] "echo suite > $out";
  bad = make "bad" [ lib ] "exit 3";
  hit = make "hit" [ bad ] "echo > $out";
  special = derivation {
    name = "special"; system = builtins.currentSystem; builder = "/bin/sh"; args = [ "-c" "echo > $out" ];
    requiredSystemFeatures = [ "quantum" ]; salt = "SALT";
  };
  needy = make "needy" [ special ] "echo > $out";
  stuck = make "stuck" [ ] "while :; do :; done";
  after = make "after" [ stuck ] "echo > $out";
}
"""


@attrs.frozen
class Commands:
    """The expression instantiated, and the real command in processes."""

    folder: Path
    environment: Mapping[str, str]
    drvs: Mapping[str, str]

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run a command that ends with this status, without a traceback; return what it printed."""
        done = self.start(*arguments)
        stdout, stderr = done.communicate(timeout=100)
        assert (done.returncode, "Traceback" in stderr) == (status, False), stdout + stderr
        return stdout if status in (0, 1) else stderr

    def json(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--format", "json", status=status))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [EKACI, *arguments],
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def queue(self) -> dict[str, dict[str, Any]]:
        entries = self.json("queue")["entries"]
        return {Path(each["derivation"]).name[33:-4]: each for each in entries}


@pytest.fixture
def commands(tmp_path: Path, nix_environment: Mapping[str, str]) -> Commands:
    text = EXPRESSION.replace("SALT", uuid.uuid4().hex)
    (tmp_path / "set.nix").write_text(text)
    environment = {**nix_environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    listed = subprocess.run(
        ["nix-instantiate", str(tmp_path / "set.nix")], env=environment, check=True, capture_output=True, text=True
    )
    drvs = {Path(path).name[33:-4]: path for path in listed.stdout.split()}
    return Commands(tmp_path, environment, drvs)


def test_a_derivation_that_nobody_knows_is_taken_in_and_built(commands: Commands) -> None:
    lib = commands.drvs["lib"]
    built = commands.json("build", lib)
    assert (built["state"], built["built"], built["known"]) == ("Success", 1, False)
    assert Path(built["outputs"]["out"]).read_text() == "lib\n"
    assert Path(built["log"]).is_file()
    again = commands.json("build", Path(lib).name[:32])
    assert (again["state"], again["built"]) == ("Success", 0)
    assert commands.run("build", lib, "--force").startswith(f"Success: {lib}\n")


def attempts(commands: Commands, name: str) -> int:
    return len(commands.json("drv", "info", commands.drvs[name])["attempts"])


def test_failures_are_remembered_until_they_are_to_be_forgotten(commands: Commands) -> None:
    bad, hit = commands.drvs["bad"], commands.drvs["hit"]
    failed = commands.json("build", hit, status=1)
    assert failed["state"] == "TransitiveFailure"
    (culprit,) = failed["culprits"]
    assert (culprit["derivation"], culprit["state"], culprit["known"]) == (bad, "Failure", False)
    assert "exit code 3" in culprit["reason"]
    info = commands.json("drv", "info", bad)
    assert [(each["outcome"], each["exit_status"]) for each in info["attempts"]] == [("FailedRetry", 3), ("Failure", 3)]
    assert (info["state"], info["failures"]) == ("Failure", 2)
    assert commands.json("drv", "info", hit)["blockers"] == [bad]

    assert "known from before: --force" in commands.run("build", bad, status=1)
    assert "known from before: --rebuild-all" in commands.run("build", hit, "--force", status=1), "of what it needs"
    assert attempts(commands, "bad") == 2
    assert commands.json("build", bad, "--force", status=1)["known"] is False
    assert attempts(commands, "bad") == 4
    again = commands.json("build", hit, "--rebuild-all", status=1)
    assert again["culprits"][0]["known"] is False
    assert attempts(commands, "bad") == 6


def test_what_no_builder_takes_says_which_feature_is_missing(commands: Commands) -> None:
    needy = commands.run("build", commands.drvs["needy"], status=1)
    assert "UnsatisfiableRequirements" in needy
    assert "has the feature quantum" in needy


def test_a_derivation_tells_what_it_is_and_what_it_needs(commands: Commands) -> None:
    lib, mid, app, suite = (commands.drvs[name] for name in ("lib", "mid", "app", "suite"))
    commands.run("build", suite)
    info = commands.json("drv", "info", lib)
    assert (info["state"], info["failures"], info["cause"]) == ("Success", 0, "built")
    assert info["outputs"]["out"]["valid"] is True
    assert info["expected_seconds"] > 0
    commands.run("build", commands.drvs["bad"], status=1)
    info = commands.json("drv", "info", lib)
    assert (info["inputs"], info["dependents"]) == ({"direct": 0, "all": 0}, {"direct": 3, "all": 4})
    text = commands.run("drv", "info", lib)
    for said in (lib, "in the store", "Success since", "3 directly, 4 in all", "attempt 1: on local"):
        assert said in text

    def deps(*arguments: str) -> list[tuple[str, int]]:
        return [(each["derivation"], each["steps"]) for each in commands.json("drv", "deps", *arguments)["shown"]]

    assert deps(suite) == [(app, 1)]
    assert deps(suite, "--depth", "2") == [(app, 1), (lib, 2), (mid, 2)]
    assert deps(lib, "--reverse", "--depth", "0") == [(mid, 1), (app, 1), (commands.drvs["bad"], 1), (suite, 2)]
    assert commands.run("drv", "deps", suite, "--depth", "0", "--limit", "1").endswith("and 2 more\n")
    assert commands.run("drv", "deps", lib) == "It needs no derivation.\n"
    assert commands.run("drv", "deps", suite, "--reverse") == "Nothing needs it.\n"


def test_a_build_in_another_process_is_seen_and_cancelled(commands: Commands) -> None:
    stuck, after, lib = (commands.drvs[name] for name in ("stuck", "after", "lib"))
    commands.run("build", lib)
    assert commands.queue() == {}
    assert commands.run("queue") == "Nothing waits and nothing is being built.\n"
    building = commands.start("build", after, "--format", "json")
    try:
        deadline = time.monotonic() + 60
        while commands.queue().get("stuck", {}).get("state") != "Building":
            assert time.monotonic() < deadline
        queue = commands.queue()
        assert list(queue) == ["stuck", "after"]
        assert (queue["stuck"]["builder"], queue["stuck"]["why"]) == ("local", "builds on local")
        assert (queue["after"]["state"], queue["after"]["why"]) == ("Queued", "waits for 1 of 1 input")
        (builder,) = commands.json("builders")
        assert (builder["name"], builder["used"], builder["answers"], builder["local"]) == ("local", 1, True, True)
        assert builder["slots"] >= 1
        cancelled = commands.json("cancel", Path(stuck).name[:32])
        assert cancelled == {"derivation": stuck, "was": "Building", "state": "Cancelled", "blocked": 1}
        stdout, stderr = building.communicate(timeout=60)
    finally:
        building.kill()
        building.wait()
    assert building.returncode == 1, stderr
    ended = json.loads(stdout)
    assert (ended["state"], [each["reason"] for each in ended["culprits"]]) == ("Blocked", ["cancelled on request"])
    assert commands.queue()["after"]["why"] == "blocked by stuck"
    assert "its state is Cancelled" in commands.run("cancel", stuck, status=2)
    (builder,) = commands.json("builders")
    assert builder["used"] == 0


@pytest.mark.parametrize(
    "arguments",
    [["queue"], ["drv", "info", UNKNOWN], ["drv", "deps", UNKNOWN], ["cancel", UNKNOWN]],
    ids=lambda arguments: arguments[0],
)
def test_without_a_database_all_say_so(commands: Commands, arguments: list[str]) -> None:
    said = commands.run(*arguments, status=2)
    assert "there is no database yet" in said
    assert "`ekaci build` make it" in said
    assert not Path(commands.environment["XDG_CACHE_HOME"]).exists()


def test_builders_are_told_without_a_database(commands: Commands) -> None:
    assert commands.run("builders").splitlines()[1].split()[:3] == ["local", "yes", "0"]


def test_what_is_unknown_is_told(commands: Commands) -> None:
    assert "no such derivation in the Nix store" in commands.run("build", UNKNOWN, status=2)
    assert "names no derivation" in commands.run("build", "./hello.drv", status=2)
    for command in (["drv", "info"], ["drv", "deps"], ["cancel"]):
        assert "does not know this derivation" in commands.run(*command, UNKNOWN, status=2)
        assert "with this hash" in commands.run(*command, "0" * 32, status=2)


def test_without_nix_what_is_known_is_still_told(commands: Commands, tmp_path: Path) -> None:
    lib = commands.drvs["lib"]
    commands.run("build", lib)
    bare = attrs.evolve(commands, environment={**commands.environment, "PATH": str(tmp_path / "nowhere")})
    assert "nix" in bare.run("build", lib, status=3)
    assert "nix" in bare.run("queue", status=3)
    assert bare.json("drv", "info", lib)["outputs"]["out"]["valid"] is None
    assert "what the store has is not known" in bare.run("drv", "info", lib)
    (builder,) = bare.json("builders")
    assert not builder["answers"]
    assert "nix" in builder["fault"]
