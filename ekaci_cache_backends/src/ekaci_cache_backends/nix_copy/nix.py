"""Nix's own programs: what a path is, and the files that a binary cache has of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

import attrs

from ekaci_cache_backends.nix_copy.trouble import Trouble, of_fault
from ekaci_core.api import EkaciError, PluginContext, StorePath, WriteLog

_NIX: Final = ("nix", "--extra-experimental-features", "nix-command", "--option", "substitute", "false")
_MANY: Final = 400  # paths of one command: far below what a system takes as arguments
_SECONDS: Final = 300
_PROFILES: Final = ("/run/current-system/sw/bin", "/nix/var/nix/profiles/default/bin")
_LATER: Final = ("No space left on device", "Cannot allocate memory", "cannot connect to daemon", "disconnected")
_SHOWN: Final = 400


@attrs.frozen
class PathFacts:
    """A valid path. ``references`` are base names, without itself."""

    nar_bytes: int
    references: tuple[str, ...]


@attrs.frozen
class Nix:
    """Nix's programs with a home of their own, which holds nothing of the server's."""

    _context: PluginContext
    _home: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of each program: nothing of a person's, and no secret."""
        given = dict(self._context.environment)
        given["PATH"] = ":".join(filter(None, [given.get("PATH", ""), *_PROFILES]))
        given["HOME"] = str(self._home)
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "NETRC"):
            given.pop(name, None)
        return given

    async def facts(self, paths: Sequence[StorePath]) -> Mapping[StorePath, PathFacts]:
        """Ask the store of this machine; a path that is not valid there is left out.

        Raises:
            Trouble: it cannot be asked.
        """
        found: dict[StorePath, PathFacts] = {}
        for start in range(0, len(paths), _MANY):
            found |= _facts(
                await self._asked([*_NIX, "path-info", "--json", *paths[start : start + _MANY]], {}, _SECONDS)
            )
        return found

    async def absent(
        self, paths: Sequence[StorePath], store: str, more: Mapping[str, str], timeout_seconds: float
    ) -> frozenset[StorePath]:
        """Ask another store which of these it has not.

        Raises:
            Trouble: it cannot be asked.
        """
        found: set[str] = set()
        for start in range(0, len(paths), _MANY):
            argv = ["nix-store", "--check-validity", "--print-invalid", "--store", store, *paths[start : start + _MANY]]
            found |= set((await self._asked(argv, more, timeout_seconds)).split())
        return frozenset(path for path in paths if path in found)

    async def _asked(self, argv: Sequence[str], more: Mapping[str, str], timeout_seconds: float) -> str:
        environment = {**self.environment, **more}
        try:
            answer = await self._context.nix.run(argv, environment=environment, timeout_seconds=timeout_seconds)
        except EkaciError as fault:
            raise of_fault(fault) from None
        if answer.status != 0:
            raise _failed(argv[0], answer.status, answer.stderr)
        return answer.stdout

    async def copy(
        self,
        paths: Iterable[StorePath],
        destination: str,
        log: WriteLog,
        *,
        arguments: Sequence[str] = ("--no-recursive",),
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Have Nix copy paths, each an argument of its own.

        Raises:
            Trouble: it did not.
        """
        argv = [*_NIX, "copy", *arguments, "--to", destination, *paths]
        try:
            end = await self._context.programs.run(argv, environment={**self.environment, **(more or {})}, log=log)
        except EkaciError as fault:
            raise of_fault(fault) from None
        if end.status != 0:
            raise _failed("nix copy", end.status, end.output)


def in_order(facts: Mapping[StorePath, PathFacts]) -> list[StorePath]:
    """Sort paths so that what one refers to stands before it."""
    by_name = {path.base_name: path for path in facts}
    graph = {name: [each for each in facts[path].references if each in by_name] for name, path in by_name.items()}
    return [by_name[name] for name in TopologicalSorter(graph).static_order()]


def _facts(text: str) -> dict[StorePath, PathFacts]:
    """Understand ``path-info --json`` of any Nix: a list, or by path; references with or without their folder."""
    try:
        written: Any = json.loads(text)
        written = written.get("info", written) if isinstance(written, dict) else written
        pairs = written.items() if isinstance(written, dict) else [(each["path"], each) for each in written]
        return {StorePath.parse(path): _fact(path, each) for path, each in pairs if each and each.get("valid", True)}
    except (ValueError, KeyError, TypeError, AttributeError, EkaciError):
        raise Trouble("nix path-info says what nobody understands", "use a version of Nix that is supported") from None


def _fact(path: str, each: Mapping[str, Any]) -> PathFacts:
    own = path.rpartition("/")[2]
    names = (reference.rpartition("/")[2] for reference in each["references"])
    return PathFacts(int(each["narSize"]), tuple(name for name in names if name != own))


def _failed(program: str, status: int, output: str) -> Trouble:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("error")), lines[-1] if lines else "it said nothing")
    transient = status < 0 or any(words in output for words in _LATER)
    return Trouble(
        f"{program} ended with {status}: {said[:_SHOWN]}", "see the log of the push", transient=transient, said=output
    )
