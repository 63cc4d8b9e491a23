"""``ekaci build --on-server``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ekaci_core.cli.server_client import ask
from ekaci_core.cli.streams import say, write_out
from ekaci_core.cli.tables import more, write_document
from ekaci_core.model.errors import EXIT_INFRASTRUCTURE, InfrastructureFault
from ekaci_core.process.plain import plain

_LOOK_SECONDS: Final = 0.5
_BLOCKERS_SHOWN: Final = 10
_EXIT_NOT_BUILT: Final = 1
_MACHINES: Final = frozenset({"OutOfMemory", "ProcessDeath", "SchedulerDeath"})


def build_on_server(server: Path | None, derivation: str, *, force: bool, rebuild_all: bool, form: str) -> int:
    """Have a derivation built, wait until that has ended, print how, and return the exit status.

    Raises:
        UsageFault: there is no such derivation.
        InfrastructureFault: no server answers.
    """
    drv = ask(server, "Build", drv_path=derivation, force=force, rebuild_all=rebuild_all)["drv_path"]
    shown = ""
    while True:
        status = _status(server, drv)
        if status is None or status["ended"] or not status["asked"]:
            break
        if status["status"] != shown:
            shown = status["status"]
            say(f"{shown}: {drv}")
        time.sleep(_LOOK_SECONDS)
    if form == "json":
        write_document(status)
    else:
        write_out("\n".join(_text(drv, status)))
    return _exit_status(status)


def _status(server: Path | None, drv: str) -> Any:
    try:
        return ask(server, "DrvStatus", drv_path=drv)
    except InfrastructureFault as fault:
        raise InfrastructureFault(
            f"the server has stopped, and what was asked of it here ends with it ({fault.what})",
            where=drv,
            do="ask again once it runs: what was built meanwhile stays",
        ) from fault


def _exit_status(status: Mapping[str, Any] | None) -> int:
    if status is None or not status["ended"] or status["status"] in _MACHINES:
        return EXIT_INFRASTRUCTURE
    return 0 if status["status"] == "Success" else _EXIT_NOT_BUILT


def _text(drv: str, status: Mapping[str, Any] | None) -> list[str]:
    if status is None:
        return [f"never queued: {drv}"]
    lines = [f"{status['status']}: {drv}"]
    if not status["ended"]:
        why = "it was started again meanwhile, or a fault of the machine stopped its builds"
        lines.append(f"  the server does not wait for it any more: {why}; see its log, and ask again")
    if status["reason"]:
        lines.append(f"  {plain(status['reason'], 500)}")
    if status["log"]:
        lines.append(f"  log: {status['log']}")
    blockers = status["failed_dependencies"]
    lines += [f"  because of {each}" for each in blockers[:_BLOCKERS_SHOWN]]
    return [*lines, *(f"  {line}" for line in more(min(len(blockers), _BLOCKERS_SHOWN), len(blockers)))]
