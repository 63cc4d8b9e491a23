"""What the store says of its objects: sizes, references, validity."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from ekaci_core.model.errors import BadName, InfrastructureFault
from ekaci_core.model.ids import DrvPath, StorePath
from ekaci_core.nix.arguments import chunked
from ekaci_core.process import run


@attrs.frozen
class PathInfo:
    """A valid store object. Sizes are bytes of its archive; ``closure_size`` only where it was asked for."""

    nar_size: int
    references: tuple[StorePath, ...]
    deriver: DrvPath | None = None
    closure_size: int | None = None


def path_info_commands(
    paths: Iterable[StorePath], *, closure_size: bool = False, closure: bool = False
) -> Iterator[list[str]]:
    """Yield commands that together ask about ``paths``, which are no derivations; stdout goes to `parse_path_info`.

    With ``closure`` they ask about all that these refer to as well; then all have to be valid.

    Newer Nix understands the path of a derivation as itself, older as its outputs, hence none of these.
    """
    options = [*(["--closure-size"] if closure_size else []), *(["--recursive"] if closure else [])]
    for some in chunked(paths):
        yield ["nix", "path-info", "--json", *options, *some]


def parse_path_info(text: str | bytes) -> dict[StorePath, PathInfo | None]:
    """Read ``nix path-info --json``: a list in older Nix and in Lix, an object by path in newer, versioned in newest.

    Returns:
        By path; None for one that is not valid.

    Raises:
        InfrastructureFault: it is none of these.
    """
    try:
        return {StorePath.parse(path): _info(entry) for path, entry in _entries(json.loads(text))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadName):
        raise InfrastructureFault(
            "Nix's answer about store paths was not understood",
            where="nix path-info --json",
            do="run that command on a store path; report it with the output of `nix --version`",
        ) from None


async def invalid_paths(paths: Iterable[StorePath], environment: Mapping[str, str]) -> frozenset[StorePath]:
    """Say which of these the store does not have. Derivations count as themselves, not as their outputs.

    Raises:
        InfrastructureFault: Nix is missing, or cannot reach its store.
    """
    invalid: set[StorePath] = set()
    for argv in validity_commands(paths):
        done = await run(argv, env=environment, timeout_seconds=600)
        if done.status != 0:
            raise InfrastructureFault(
                f"Nix could not check the store: {done.stderr.strip()[-400:]}",
                where="nix-store --check-validity",
                do="see what Nix says",
            )
        invalid |= parse_invalid(done.text)
    return frozenset(invalid)


def validity_commands(paths: Iterable[StorePath]) -> Iterator[list[str]]:
    """Yield commands that together check ``paths``; stdout goes to `parse_invalid`."""
    for some in chunked(paths):
        yield ["nix-store", "--check-validity", "--print-invalid", *some]


def parse_invalid(stdout: str) -> frozenset[StorePath]:
    """Read the paths that ``nix-store --check-validity --print-invalid`` prints: the invalid ones, one a line.

    Raises:
        InfrastructureFault: a line is no store path.
    """
    try:
        return frozenset(StorePath.parse(line) for line in stdout.splitlines() if line)
    except BadName as error:
        raise InfrastructureFault(
            f"Nix's answer about validity was not understood: {error.what}",
            where="nix-store --check-validity --print-invalid",
            do="run that command on a store path; report it with the output of `nix --version`",
        ) from None


def _entries(answer: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(answer, list):
        for entry in answer:
            yield entry["path"], entry
        return
    yield from answer.get("info", answer).items()


def _info(entry: Any) -> PathInfo | None:
    if entry is None or entry.get("valid") is False:
        return None
    deriver, closure_size = entry.get("deriver"), entry.get("closureSize")
    return PathInfo(
        nar_size=int(entry["narSize"]),
        references=tuple(StorePath.parse(each) for each in entry["references"]),
        # Nix writes "unknown-deriver" where it does not know.
        deriver=DrvPath.parse(deriver) if isinstance(deriver, str) and deriver.endswith(".drv") else None,
        closure_size=None if closure_size is None else int(closure_size),
    )
