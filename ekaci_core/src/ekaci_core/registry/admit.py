"""Let one plugin in, or say why not. Never raises for what a plugin does."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from types import FunctionType

import attrs
import pluggy

from ekaci_core import hookspecs
from ekaci_core.api import PLUGIN_API
from ekaci_core.registry.discover import Candidate
from ekaci_core.registry.guard import Returned, Surprise, attempt
from ekaci_core.registry.kinds import Kind
from ekaci_core.registry.registered import RegisteredType, registered
from ekaci_core.registry.report import PluginReport, PluginState

_PREFIX = "ekaci_"


@attrs.frozen
class Admission:
    """A plugin's report, and its types if it is active."""

    report: PluginReport
    types: tuple[tuple[Kind, RegisteredType], ...] = ()


class _Refused(Exception):
    """Why a plugin is not admitted, as a phrase."""


def admit(candidate: Candidate) -> Admission:
    """Import a plugin, check it against the contract and collect its types."""
    loaded = attempt(candidate.entry_point.load)
    if isinstance(loaded, Surprise):
        return _rejected(candidate, f"cannot be imported: {loaded.message}")
    examined = attempt(lambda: _examine(candidate.name, loaded.value))
    if isinstance(examined, Surprise):
        known = isinstance(examined.error, _Refused | pluggy.PluginValidationError)
        return _rejected(candidate, " ".join(str(examined.error).split()) if known else examined.message)
    types = examined.value
    registers = tuple(f"{kind.value} {each.name}" for kind, each in types)
    twice = [name for name, count in Counter(registers).items() if count > 1]
    if twice:
        return _rejected(candidate, f"registers {twice[0]} twice", registers)
    return Admission(candidate.report(PluginState.ACTIVE, registers=registers), types)


def _rejected(candidate: Candidate, reason: str, registers: tuple[str, ...] = ()) -> Admission:
    return Admission(candidate.report(PluginState.REJECTED, reason, registers))


def _examine(name: str, plugin: object) -> tuple[tuple[Kind, RegisteredType], ...]:
    _check_version(plugin)
    _check_marks(plugin)
    # A manager of its own for each plugin: pluggy ends a call over several at the first that raises.
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name)
    manager.check_pending()
    _check_hooks(manager, plugin)
    return tuple((kind, each) for kind in Kind for each in _types(manager, kind))


def _check_version(plugin: object) -> None:
    if not hasattr(plugin, "EKACI_PLUGIN_API"):
        raise _Refused(f"states no EKACI_PLUGIN_API; the contract of this EkaCI is {PLUGIN_API}")
    stated = plugin.EKACI_PLUGIN_API
    if type(stated) is not int or stated != PLUGIN_API:
        raise _Refused(f"was written for EKACI_PLUGIN_API {stated!r}; the contract of this EkaCI is {PLUGIN_API}")


def _check_marks(plugin: object) -> None:
    """Refuse functions named like hooks without the mark: pluggy would silently pass them over."""
    for name, value in vars(plugin).items():
        if name.startswith(_PREFIX) and isinstance(value, FunctionType) and not hasattr(value, "ekaci_impl"):
            raise _Refused(f"{name} is not marked with @hookimpl")


def _check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    callers = manager.get_hookcallers(plugin) or []
    if not callers:
        raise _Refused("implements no hook")
    for caller in callers:
        for implementation in caller.get_hookimpls():
            function = implementation.function
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                raise _Refused(f"{caller.name} is async; hooks are synchronous")


def _types(manager: pluggy.PluginManager, kind: Kind) -> list[RegisteredType]:
    types: list[RegisteredType] = []
    called = attempt(getattr(manager.hook, kind.hook))
    if isinstance(called, Surprise):
        raise _Refused(f"{kind.hook} raised {called.message}")
    for answer in called.value:
        if inspect.iscoroutine(answer):
            answer.close()  # or Python warns that it was never awaited
        if not isinstance(answer, Iterable) or isinstance(answer, str | bytes | Mapping):
            raise _Refused(f"{kind.hook} returned {type(answer).__name__}, not a list of types")
        values: Returned[list[object]] | Surprise = attempt(partial(list, answer))
        if isinstance(values, Surprise):
            raise _Refused(f"{kind.hook} raised {values.message}")
        for value in values.value:
            checked = registered(value)
            if isinstance(checked, str):
                raise _Refused(f"{kind.hook}: {checked}")
            types.append(checked)
    return types
