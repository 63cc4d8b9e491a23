from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.architecture.conftest import Module

LONGEST_MODULE = 400
LONGEST_FUNCTION = 40
VAGUE_NAMES = {"utils", "helpers", "common", "manager", "base", "misc"}

# The only places that catch whatever comes.
CATCH_ALL = {
    "ekaci_core/src/ekaci_core/delivery/hooks/executing.py",  # one hook must not keep all others from being run
    "ekaci_core/src/ekaci_core/registry/guard.py",  # the boundary around plugins
    "ekaci_core/src/ekaci_core/registry/apart.py",  # likewise
    "ekaci_core/src/ekaci_core/cli/main.py",  # the end of the command line
    "ekaci_core/src/ekaci_core/intake/handling.py",  # one delivery must not keep all others from being handled
    "ekaci_core/src/ekaci_core/server/reviewing.py",  # one review must not keep all others from being made
    "ekaci_core/src/ekaci_core/server/socket_server.py",  # one request must not end the server
    "ekaci_core/src/ekaci_core/web/boundary.py",  # likewise
}
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def lines_of_body(function: Function) -> int:
    """Lines from the first statement to the last, the docstring not counted."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_there_is_something_to_read(modules: list[Module]) -> None:
    assert {"model", "graph", "registry", "cli"} <= {module.package for module in modules}


def test_modules_are_short(modules: list[Module]) -> None:
    sizes = {module.shown: len(module.text.splitlines()) for module in modules}
    assert {name: size for name, size in sizes.items() if size > LONGEST_MODULE} == {}


def test_functions_are_short(modules: list[Module]) -> None:
    sizes = {
        f"{module.shown}:{function.lineno} {function.name}": lines_of_body(function)
        for module in modules
        for function in functions(module.tree)
    }
    assert {name: size for name, size in sizes.items() if size > LONGEST_FUNCTION} == {}


def test_modules_are_named_by_a_noun_of_the_field(modules: list[Module]) -> None:
    assert [module.shown for module in modules if VAGUE_NAMES & set(module.path.with_suffix("").parts)] == []


def test_every_module_says_what_it_is(modules: list[Module]) -> None:
    assert [module.shown for module in modules if module.text.strip() and not ast.get_docstring(module.tree)] == []


def test_every_public_name_is_documented(modules: list[Module]) -> None:
    missing = [
        f"{module.shown}:{node.lineno} {node.name}"
        for module in modules
        for node in module.tree.body
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert missing == []


def test_only_the_command_line_prints(modules: list[Module]) -> None:
    printing = [
        f"{module.shown}:{node.lineno}"
        for module in modules
        if module.package != "cli"
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")
        or (isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr", "click.echo"})
    ]
    assert printing == []


def catches_everything(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(each, ast.Name) and each.id == "Exception" for each in caught)


def carried_errors(tree: ast.Module) -> set[ast.ExceptHandler]:
    """Handlers that only keep the error, in functions that raise it again: around a task group, which would wrap it."""
    carried: set[ast.ExceptHandler] = set()
    for function in functions(tree):
        raised = {ast.unparse(node.exc) for node in ast.walk(function) if isinstance(node, ast.Raise) and node.exc}
        for node in ast.walk(function):
            if isinstance(node, ast.ExceptHandler) and node.name and len(node.body) == 1:
                kept = node.body[0]
                if (
                    isinstance(kept, ast.Assign)
                    and ast.unparse(kept.value) == node.name
                    and ast.unparse(kept.targets[0]) in raised
                ):
                    carried.add(node)
    return carried


def test_only_the_guards_catch_everything(modules: list[Module]) -> None:
    catching = [
        f"{module.shown}:{node.lineno}"
        for module in modules
        if module.shown not in CATCH_ALL
        for node in set(ast.walk(module.tree)) - carried_errors(module.tree)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
    ]
    assert catching == []


def test_what_catches_base_exception_raises_again(modules: list[Module]) -> None:
    swallowing = [
        f"{module.shown}:{node.lineno}"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and isinstance(node.type, ast.Name)
        and node.type.id == "BaseException"
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    assert swallowing == []


def _is_task_group(owner: ast.expr) -> bool:
    return isinstance(owner, ast.Name) and owner.id in {"group", "tasks", "builds"}


def test_no_task_without_a_parent(modules: list[Module]) -> None:
    # A task group's own `create_task` is what is wanted; the group is a local name, not a module or a loop.
    bare = [
        f"{module.shown}:{node.lineno}"
        for module in modules
        if not module.shown.endswith(
            "registry/apart.py"
        )  # its tasks outlive who waits for them: that is what it is for
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and (node.attr == "ensure_future" or (node.attr == "create_task" and not _is_task_group(node.value)))
    ]
    assert bare == []


def test_nothing_is_left_for_later(modules: list[Module]) -> None:
    left = [
        f"{module.shown}:{number}"
        for module in modules
        for number, line in enumerate(module.text.splitlines(), 1)
        if MARKS.search(line)
    ]
    stubs = [
        f"{module.shown}:{node.lineno}"
        for module in modules
        if module.package != "testing"  # where a kit's fixtures are for others to override
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    assert left + stubs == []


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_model_and_graph_touch_nothing(modules: list[Module]) -> None:
    allowed = {
        "__future__",
        "array",
        "attrs",
        "bisect",
        "collections",
        "enum",
        "fnmatch",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "sys",
        "types",
        "typing",
        "unicodedata",
        "ekaci_core",
    }
    pure = [module for module in modules if module.package in {"model", "graph"}]
    assert pure
    foreign = [
        f"{module.shown}: {name}"
        for module in pure
        for name in imported(module.tree)
        if name.split(".")[0] not in allowed
    ]
    awaiting = [
        f"{module.shown}:{node.lineno}"
        for module in pure
        for node in ast.walk(module.tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open")
    ]
    assert foreign + awaiting == []
