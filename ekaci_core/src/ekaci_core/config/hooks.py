"""``[[post_build_hooks]]`` and ``[[fod_post_build_hooks]]`` of the server, and what hooks of repositories share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

import attrs

from ekaci_core.config.convert import Located, address
from ekaci_core.config.rules import Rule
from ekaci_core.model.expansion import OUT_PATHS, BadWord, variables_in
from ekaci_core.model.hook import (
    HOME_VARIABLES,
    HOOK_NAME_WORDS,
    HOOK_VARIABLES,
    is_hook_name,
    is_hook_variable,
)
from ekaci_core.model.policy import Permissions
from ekaci_core.model.repository import Job
from ekaci_core.model.secret import Secret

HOOK_TABLES: Final = ("post_build_hooks", "fod_post_build_hooks")
"""The second are run of fixed-output derivations, beside the first."""

PUSH_PREFIX: Final = "push-"
"""What the logs of pushes to caches begin with, in front of the cache's id."""

HookName = Annotated[str, Rule(HOOK_NAME_WORDS, is_hook_name)]
HookWord = Annotated[str, Rule("text that is not empty and holds no NUL", lambda text: bool(text) and "\0" not in text)]
HookVariable = Annotated[
    str,
    Rule("the name of a variable, and none that every hook is given", is_hook_variable),
]
HookValue = str | Secret


@attrs.frozen
class HookKeys:
    """An entry as it is written.

    Attributes:
        name: of its log and its records.
        command: the program and its words; variables are put in, no shell is.
        env: further variables.
        permissions: for which repositories and branches it runs.
        sandbox: whether it runs in one.
        network: whether it has the machine's network there.
        ro_bind: files and folders that it can read there.
    """

    name: HookName
    command: tuple[HookWord, ...]
    env: Mapping[HookVariable, HookValue] = attrs.field(factory=dict)
    permissions: Permissions = Permissions()
    sandbox: bool = True
    network: bool = True
    ro_bind: tuple[Path, ...] = ()


@attrs.frozen
class HookEntry(HookKeys):
    """An entry. ``at`` is its address, ``post_build_hooks[0]``; with ``fod`` it is for fixed-output derivations."""

    at: str = ""
    fod: bool = False


def hook_faults(entries: Sequence[HookEntry], caches: Iterable[str]) -> Iterator[Located]:
    """Name what is wrong with entries that are right in themselves; ``caches`` are the ids of caches."""
    seen: dict[str, str] = {}
    pushes = {f"{PUSH_PREFIX}{cache}" for cache in caches}
    for entry in entries:
        spot = address(entry.at, "name")
        if entry.name in seen:
            yield Located(spot, f'{seen[entry.name]} has the name "{entry.name}" already', spot)
        elif entry.name in pushes:
            yield Located(spot, f'the log of pushes to the cache "{entry.name.removeprefix(PUSH_PREFIX)}" has it', spot)
        seen.setdefault(entry.name, entry.at)
        for fault in command_faults(entry.command, entry.env):
            where = address(entry.at, "command")
            yield Located(where, fault, where)


def command_faults(command: Sequence[str], env: Mapping[str, HookValue]) -> Iterator[str]:
    """Name what would keep a command from ever being run."""
    if not command:
        yield "expected a program and its words, got an empty list"
    known = {*HOOK_VARIABLES, *HOME_VARIABLES, *env}
    for word in command:
        try:
            names = list(variables_in(word))
        except BadWord as bad:
            yield str(bad)
            continue
        for name in names:
            if name not in known:
                yield f"there is no variable {name}; there are: {', '.join(sorted(known))}"
            elif isinstance(env.get(name), Secret):
                yield f"{name} is a secret and goes into no command: programs read it from their environment"


def names_no_path(command: Sequence[str]) -> str | None:
    """Say that a command is given no paths as words; None where it is."""
    wanted = (f"${OUT_PATHS}", f"${{{OUT_PATHS}}}")
    if not command or any(each in word for word in command for each in wanted):
        return None
    return (
        f'it has no "${OUT_PATHS}": the program is given the paths on its standard input alone, where many, `nix copy`'
        " among them, do not look"
    )


def hook_notes(jobs: Iterable[Job]) -> Iterator[str]:
    """Say what of the hooks of a repository's jobs will not work, or may not be meant so."""
    for job in jobs:
        seen: set[str] = set()
        for table, hooks in zip(HOOK_TABLES, (job.post_build_hooks, job.fod_post_build_hooks), strict=True):
            for index, hook in enumerate(hooks):
                at = address(f"{address('jobs', job.name)}.{table}", index)
                if hook.name in seen:
                    yield f'{at}.name: the job has a hook "{hook.name}" already; this one is not run'
                seen.add(hook.name)
                yield from (f"{at}.command: {fault}" for fault in command_faults(hook.command, hook.env))
                if (odd := names_no_path(hook.command)) is not None:
                    yield f"{at}.command: {odd}"
