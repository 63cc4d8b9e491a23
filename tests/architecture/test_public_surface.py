from __future__ import annotations

import ast
import inspect
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from ekaci_core import api, hookspecs

if TYPE_CHECKING:
    from tests.architecture.conftest import Module

HOOKS = {name: value for name, value in vars(hookspecs).items() if name.startswith("ekaci_")}


def test_public_names_change_on_purpose(root: Path) -> None:
    recorded = (root / "tests/architecture/public_api.txt").read_text("utf-8").split()
    present = [f"{module.__name__}.{name}" for module in (api, hookspecs) for name in sorted(module.__all__)]
    assert recorded == present, "a name of the contract came or went: change public_api.txt and the changelog with it"


def test_everything_public_exists_and_is_documented() -> None:
    for name in api.__all__:
        value = getattr(api, name)
        if inspect.isclass(value):
            assert inspect.getdoc(value), name


def test_there_are_hooks_and_each_is_a_specification() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    assert HOOKS
    for name, function in HOOKS.items():
        assert getattr(manager.hook, name).spec is not None
        assert not inspect.iscoroutinefunction(function), "hooks are synchronous"
        assert name in hookspecs.__all__


def test_every_hook_is_in_the_reference_as_it_is(root: Path) -> None:
    page = (root / "docs/reference/hooks.md").read_text("utf-8")
    sections = {section.split("(")[0].strip("` "): section for section in page.split("\n## ")}
    assert {name for name in sections if name.startswith("ekaci_")} == HOOKS.keys()
    for name, function in HOOKS.items():
        assert f"{name}{inspect.signature(function)}".replace("'", "") in sections[name]
        assert " ".join((inspect.getdoc(function) or "").split()) in " ".join(sections[name].split())


def test_every_hook_is_implemented_by_a_plugin_that_ships() -> None:
    ours = [
        entry for entry in entry_points(group="ekaci.plugins") if entry.dist and entry.dist.name.startswith("ekaci-")
    ]
    implemented = {name for entry in ours for name in vars(import_module(entry.module)) if name in HOOKS}
    assert implemented == HOOKS.keys()


def test_every_hook_has_a_test_of_its_name(root: Path) -> None:
    names = [
        node.name
        for path in (root / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for hook in HOOKS:
        assert any(name.startswith(f"test_{hook}") for name in names), hook


def test_every_type_of_hook_has_a_conformance_kit(modules: list[Module]) -> None:
    kits = {
        node.name
        for module in modules
        if module.package == "testing"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    }
    wanted = {
        f"{name.removeprefix('ekaci_register_').removesuffix('_types').capitalize()}Conformance" for name in HOOKS
    }
    assert wanted <= kits
