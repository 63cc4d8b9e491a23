"""What the conformance of evaluators stands on: expressions, items, and a look behind the evaluator's back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anyio

from ekaci_core.api import EvaluationRequest, Evaluator
from ekaci_core.model.evaluation import AttributeFault, EvaluatedAttribute, EvaluatedItem
from ekaci_core.process import run

PATIENCE_SECONDS: Final = 60
MARK_VARIABLE: Final = "EKACI_CONFORMANCE_MARK"
# `mk` makes a derivation, `with_` one with more attributes beside those of `derivation`.
PRELUDE: Final = """
let
  mk = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
  with_ = name: more: mk name // more;
  recurse = set: set // { recurseForDerivations = true; };
in
"""

ENDLESS: Final = """{
  a = mk "a${toString (builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ];
    operator = { key }: builtins.genList (x: { key = builtins.bitAnd (x + key) 1023; }) 1000000; }))}";
}"""

FLAKE: Final = """{ outputs = { self }: let
    mk = name: derivation { inherit name; system = "x86_64-linux"; builder = "/bin/sh"; };
  in {
    packages.x86_64-linux = { default = mk "default"; bad = throw "bad"; };
    packages.aarch64-linux.other = abort "not asked for";
    checks.x86_64-linux.lint = mk "lint";
    nixosConfigurations = abort "not looked at";
  }; }"""

Items = dict[str | None, EvaluatedItem]


class Laboratory:
    """Writes expressions and evaluates them, and looks at the store behind the evaluator's back."""

    def __init__(self, evaluator: Evaluator, folder: Path, environment: Mapping[str, str]) -> None:
        self.evaluator = evaluator
        self.root = folder / "checkout"
        self.root.mkdir()
        self.environment = environment
        self._folder = folder
        self._roots = 0

    def write(self, name: str, text: str) -> None:
        """Write a file of the checkout."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def request(self, **more: Any) -> EvaluationRequest:
        """Make a request with gc roots of its own."""
        self._roots += 1
        roots = self._folder / f"roots-{self._roots}"
        roots.mkdir()
        return EvaluationRequest(**{"root": self.root, "file": "job.nix", "gc_roots": roots, **more})

    async def evaluate(self, expression: str | None = None, **more: Any) -> Items:
        """Evaluate ``expression``, or what was written before, and return the items by attribute."""
        if expression is not None:
            self.write("job.nix", PRELUDE + expression)
        items: Items = {}
        with anyio.fail_after(PATIENCE_SECONDS):
            async with self.evaluator.evaluate(self.request(**more)) as batches:
                async for batch in batches:
                    for item in batch:
                        assert item.attr is None or item.attr not in items, f"{item.attr} came twice"
                        items[item.attr] = item
        return items

    async def query(self, *arguments: str) -> list[str]:
        """Ask ``nix-store --query``."""
        done = await run(["nix-store", "--query", *arguments], env=self.environment)
        assert done.status == 0, done.stderr
        return done.text.split("\n")

    async def instantiate(self, attr: str) -> str:
        """Return the derivation of an attribute as Nix itself makes it."""
        done = await run(["nix-instantiate", str(self.root / "job.nix"), "-A", attr], env=self.environment)
        assert done.status == 0, done.stderr
        return done.text.split()[0].partition("!")[0]


def package(items: Items, attr: str) -> EvaluatedAttribute:
    """Return an item that must be a derivation."""
    item = items[attr]
    assert isinstance(item, EvaluatedAttribute), item
    return item


def packages(items: Items, *attrs: str) -> None:
    """Check that items are derivations."""
    for attr in attrs:
        package(items, attr)


def fault(items: Items, attr: str | None) -> AttributeFault:
    """Return an item that must be a fault."""
    item = items[attr]
    assert isinstance(item, AttributeFault), item
    return item


def processes_with(mark: str) -> list[int]:
    """Find processes whose environment holds the mark."""
    needle = f"{MARK_VARIABLE}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if needle in (folder / "environ").read_bytes() and int(folder.name) != os.getpid():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
