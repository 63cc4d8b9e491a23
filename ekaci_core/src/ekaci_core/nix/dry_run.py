"""What Nix would do: the plan that ``nix-store --realise --dry-run`` prints to stderr."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from ekaci_core.model.errors import BadName, InfrastructureFault
from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.nix.arguments import chunked
from ekaci_core.process import running

# "these 3 derivations will be built:", "this path will be fetched (0.1 MiB download, 0.5 MiB unpacked):", without a
# number before Nix 2.4; "don't know how to build these paths (may be caused by read-only store access):".
_SECTION: Final = re.compile(
    r"(?:these|this)(?: \d+)? (?:derivations? will be (?P<built>built)|paths? will be (?P<fetched>fetched|copied)\b.*):"
    r"|don['\u2019]t know how to build th(?:ese|is) paths?\b.*:"
)
_ITEM: Final = re.compile(r"  (/\S+)")


@attrs.frozen
class BuildPlan:
    """What realising some derivations would take; those in none of the three have valid outputs.

    ``to_build`` must be built, ``to_fetch`` come from a substituter, and of ``unknown`` Nix has neither the object
    nor its derivation: they have vanished from the store.
    """

    to_build: frozenset[DrvPath] = frozenset()
    to_fetch: frozenset[StorePath] = frozenset()
    unknown: frozenset[StorePath] = frozenset()

    def __or__(self, other: BuildPlan) -> BuildPlan:
        """Join the plans of two parts of what is wanted."""
        return BuildPlan(self.to_build | other.to_build, self.to_fetch | other.to_fetch, self.unknown | other.unknown)


async def build_plan(paths: Iterable[DrvPath], environment: Mapping[str, str]) -> BuildPlan:
    """Ask Nix what realising all outputs of these derivations would take.

    Raises:
        InfrastructureFault: Nix is missing, its store cannot be reached, or its answer is not understood.
    """
    plan = BuildPlan()
    for argv in dry_run_commands(paths):
        # The plan goes to stderr and has a line for each derivation, so nothing of it may be cut.
        async with running(argv, env=environment, stderr="merge") as child:
            output = b"".join([chunk async for chunk in child.stdout.chunks()]).decode(errors="replace")
            if await child.wait() != 0:
                said = next((line for line in output.splitlines() if line.startswith("error:")), output[-400:].strip())
                raise InfrastructureFault(
                    f"Nix could not plan the builds: {said}",
                    where="nix-store --realise --dry-run",
                    do="see what Nix says",
                )
        plan |= parse_dry_run(output)
    return plan


def dry_run_commands(paths: Iterable[DrvPath]) -> Iterator[list[str]]:
    """Yield commands that together ask for the plan of all ``paths``; what they print goes to `parse_dry_run`.

    Each walks its own closure, so they are as few as the system's limit on arguments allows.
    """
    for some in chunked(paths):
        yield ["nix-store", "--realise", "--dry-run", *some]


def parse_dry_run(output: str) -> BuildPlan:
    """Read the plan as Nix 2.3 and newer and Lix print it to stderr; warnings and the like are passed over.

    Raises:
        InfrastructureFault: a part of it is not understood. What is left out would count as built.
    """
    found: dict[str, set[str]] = {"built": set(), "fetched": set(), "unknown": set()}
    section: set[str] | None = None
    for line in output.splitlines():
        item = _ITEM.fullmatch(line)
        if item is None:
            header = _SECTION.fullmatch(line)
            section = found[header.lastgroup or "unknown"] if header else None
        elif section is None:
            raise _not_understood(f"nothing announces {item[1]!r}")
        else:
            section.add(item[1])
    try:
        return BuildPlan(
            frozenset(map(DrvPath.parse, found["built"])),
            frozenset(map(StorePath.parse, found["fetched"])),
            frozenset(map(StorePath.parse, found["unknown"])),
        )
    except BadName as error:
        raise _not_understood(error.what) from None


def _not_understood(problem: str) -> InfrastructureFault:
    return InfrastructureFault(
        f"Nix's plan of the builds was not understood: {problem}",
        where="nix-store --realise --dry-run",
        do="run that command on the derivation; report it with the output of `nix --version`",
    )
