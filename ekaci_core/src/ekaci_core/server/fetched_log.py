"""Logs of builds that were made elsewhere: fetched when somebody wants to see them, and kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import anyio.to_thread

from ekaci_core.bus import Broadcast
from ekaci_core.config.retention import read_retention
from ekaci_core.logs import BuildLog, LogFiles, LogInUse, log_of
from ekaci_core.model.errors import InfrastructureFault, UsageFault
from ekaci_core.model.event import ReviewEvent
from ekaci_core.model.ids import DrvPath
from ekaci_core.nix.versions import probe
from ekaci_core.server.builder_reports import plugin_context
from ekaci_core.server.known import known_store, named_derivation
from ekaci_core.server.places import Places
from ekaci_core.server.substituting import substitution_of
from ekaci_core.substitution import FetchedLog

_CUT: Final = b"\n[the rest of this log was too long to fetch]\n"


async def fetch_build_log(text: str, environment: Mapping[str, str]) -> FetchedLog | None:
    """Fetch the log of a derivation from the first substituter that has it, to where logs of builds are kept.

    Args:
        text: the derivation's path, its base name, or the 32 characters of its hash.
        environment: this process's.

    Returns:
        Where it came from; None if no substituter has it.

    Raises:
        UsageFault: no derivation is named, or nobody knows the whole name, by which substituters have its log.
        InfrastructureFault: Nix does not say its substituters, one that may have it fails, or it cannot be kept.
    """
    places = Places.of(environment)
    drv = await _named(text, places)
    limit = read_retention(environment).log_max_bytes
    context = plugin_context(environment)
    nix = await probe(context.environment)
    events: Broadcast[ReviewEvent] = Broadcast()
    try:
        places.make()
        with tempfile.TemporaryFile(dir=places.logs) as file:  # what breaks off is no log
            async with substitution_of(nix, context, events) as substitution:
                fetched = await substitution.fetch_log(drv, file.write, limit=max(limit - len(_CUT), 0))
            if fetched is not None:
                if fetched.cut:
                    file.write(_CUT)
                await anyio.to_thread.run_sync(_keep, file, log_of(places.logs, drv.hash_part), limit)
            return fetched
    except OSError as error:
        raise InfrastructureFault(
            f"the fetched log cannot be kept: {error.strerror}",
            where=str(error.filename or places.logs),
            do="make room, or see to the permissions of this directory",
        ) from error


async def _named(text: str, places: Places) -> DrvPath:
    if text.endswith(".drv"):
        return DrvPath.parse(text)
    try:
        async with known_store(places) as store:
            return await named_derivation(store, text)
    except UsageFault:
        raise UsageFault(
            "there is no log of this derivation",
            where=text,
            do="It was not built here, or its log was removed by age or size. Substituters are asked for its log where "
            "the whole path is given.",
        ) from None


def _keep(file: IO[bytes], path: Path, limit: int) -> None:
    file.seek(0)
    try:
        if LogFiles(path).stored() is None:
            with BuildLog(path, limit=limit) as log:
                shutil.copyfileobj(file, log)
    except LogInUse:
        return  # it is being built here now, or somebody else fetched it
