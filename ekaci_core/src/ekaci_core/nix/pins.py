"""Protecting very many derivations from the garbage collector with few gc roots.

One root per derivation means a call of Nix or two symbolic links for each. Instead, a text file is added to the store
that *refers* to hundreds of derivations, and only that file is made a root. What adds it is an expression, because
no command does: its string has the derivations in its context, which makes them references.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.eval_errors import check_machine, strip_colours
from ekaci_core.nix.repl import nix_string
from ekaci_core.nix.repl_process import Repl, repl
from ekaci_core.process import run

_ERROR: Final = re.compile(r"^ *error: *(\S.*)", re.MULTILINE)
_ROOT_SECONDS: Final = 300
_HOLD: Final = (
    "file: report: let all = builtins.fromJSON (builtins.readFile file); in report "
    '(builtins.unsafeDiscardStringContext (builtins.toFile "evaluated-derivations" (builtins.appendContext '
    '(builtins.concatStringsSep "\\n" all) '
    "(builtins.listToAttrs (map (name: { inherit name; value = { path = true; }; }) all)))))"
)


class Pins:
    """Makes gc roots below one directory. For one task at a time."""

    def __init__(self, holder: Repl, environment: Mapping[str, str], roots: Path, scratch: Path) -> None:
        self._holder = holder
        self._environment = environment
        self._roots = roots
        self._request = scratch / "pins.json"
        self._held: set[DrvPath] = set()
        self._calls = 0
        self._series = uuid.uuid4().hex[:12]  # the directory may hold roots of an earlier keeper

    async def hold(self, drvs: Iterable[DrvPath]) -> None:
        """Protect these derivations and all that they refer to; those that are protected already cost nothing.

        Raises:
            InfrastructureFault: one of them is no longer in the store, or the store cannot be written.
        """
        new = sorted(set(drvs) - self._held)
        if not new:
            return
        self._calls += 1
        await anyio.to_thread.run_sync(self._request.write_text, json.dumps(new))
        target = await self._text_file()
        await self._root(target, self._roots / f"derivations-{self._series}-{self._calls}")
        self._held.update(new)

    async def _text_file(self) -> str:
        report = f"(path: builtins.trace ({nix_string(self._holder.dialogue.mark)} + builtins.toJSON [ 0 path ]) null)"
        expression = f"hold {nix_string(str(self._request))} {report}"
        records, text = await self._holder.ask(self._calls, expression)
        if not records:
            raise _fault("the derivations of this evaluation cannot be kept", text)
        return str(records[0].content[0])

    async def _root(self, target: str, link: Path) -> None:
        done = await run(
            ["nix-store", "--realise", target, "--add-root", str(link), "--indirect"],
            env=self._environment,
            timeout_seconds=_ROOT_SECONDS,
        )
        if done.status != 0:
            raise _fault(f"cannot make the gc root {link}", done.stderr)


@asynccontextmanager
async def pins(environment: Mapping[str, str], roots: Path, scratch: Path) -> AsyncIterator[Pins]:
    """Open a keeper of gc roots below ``roots``; ``scratch`` is a directory for its own files.

    Raises:
        ProgramMissing: there is no Nix.
    """
    async with repl(environment, home=scratch) as holder:
        await holder.bind("hold", _HOLD)
        yield Pins(holder, environment, roots, scratch)


def _fault(what: str, text: str) -> InfrastructureFault:
    text = strip_colours(text)
    check_machine(text)
    said = _ERROR.findall(text)[-1:] or [text.strip()[-200:]]  # in front of it, a newer Nix prints a trace
    return InfrastructureFault(
        f"{what}: {said[0]}",
        where="nix",
        do="make sure that the store can be written, and that no garbage collection runs during the first seconds",
    )
