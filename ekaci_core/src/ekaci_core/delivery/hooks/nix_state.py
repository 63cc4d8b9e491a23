"""A state of Nix that knows some paths and nothing else, for programs that read these from the store.

A hook in a sandbox gets no way to the daemon, which would do for it what the server may do, and no database of the
store, which Nix opens only where it may write to it. What it gets is a database of its own, made of the records of its
outputs and all that they refer to: `nix copy` and `nix path-info` work with it, and what is done to it has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ekaci_core.delivery.hooks.rules import HookRefused
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.ids import StorePath
from ekaci_core.nix.arguments import chunked
from ekaci_core.process import Completed, run

_SECONDS: Final = 120.0
_GONE: Final = "its outputs are not in this machine's Nix store"


async def outputs_of(record: DerivationRecord, environment: Mapping[str, str]) -> tuple[StorePath, ...]:
    """Return the paths of a derivation's outputs; of those that depend on their content, as Nix knows them.

    Raises:
        HookRefused: Nix does not know them.
        InfrastructureFault: Nix cannot be asked.
    """
    known = tuple(output.path for output in record.outputs if output.path is not None)
    if len(known) == len(record.outputs):
        return known
    done = await _nix_store(["--query", "--outputs", record.path], environment)
    if done.status != 0:
        raise HookRefused(f"{_GONE}: {done.stderr.strip()[-400:]}")
    return tuple(StorePath.parse(line) for line in done.text.split())


async def make_state(folder: Path, outputs: Sequence[StorePath], environment: Mapping[str, str]) -> None:
    """Make the state in an empty folder.

    Raises:
        HookRefused: an output is not in the store.
        InfrastructureFault: Nix cannot be asked.
    """
    asked = await _nix_store(["--query", "--requisites", *outputs], environment)
    if asked.status != 0:
        raise HookRefused(f"{_GONE}: {asked.stderr.strip()[-400:]}")
    records = b""
    for some in chunked(sorted(asked.text.split())):
        records += (await _well(["--dump-db", *some], environment)).stdout
    own = {name: value for name, value in environment.items() if name != "NIX_REMOTE"}
    own["NIX_STATE_DIR"] = str(folder)
    await _well(["--load-db", "--option", "store", "local"], own, records)


async def _well(words: Sequence[str], environment: Mapping[str, str], stdin: bytes | None = None) -> Completed:
    done = await _nix_store(words, environment, stdin)
    if done.status != 0:
        what = f"Nix could not tell what a hook may read: {done.stderr.strip()[-400:]}"
        raise InfrastructureFault(what, where=f"nix-store {words[0]}", do="see what Nix says")
    return done


async def _nix_store(words: Sequence[str], environment: Mapping[str, str], stdin: bytes | None = None) -> Completed:
    return await run(["nix-store", *words], env=environment, stdin=stdin, timeout_seconds=_SECONDS)
