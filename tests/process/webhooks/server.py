"""A server with nothing but webhooks, intake and a store; prints its port, and stops at SIGTERM.

python tests/process/webhooks/server.py FOLDER PORT
"""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

import anyio

from ekaci_core.bus import Wakeup
from ekaci_core.intake import Intake, IntakePolicy
from ekaci_core.registry.guarded_forge import GuardedForge
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.server.clock import SystemClock
from ekaci_core.store import open_store
from ekaci_core.telemetry import LOG
from ekaci_core.testing.scripted_forge import ScriptedForge
from ekaci_core.web import Front, Readiness, Webhooks, WebServer, health_routes, web_app


async def serve(folder: Path, port: int) -> None:
    clock, arrivals = SystemClock(), Wakeup()
    forge = OpenForge("scripted", "app", GuardedForge(ScriptedForge(), who="scripted", log=LOG))
    async with open_store(folder / "db") as store, anyio.create_task_group() as tasks:
        ready = Readiness({}, clock)
        webhooks = Webhooks(
            store,
            {"/scripted/webhook": [forge]},
            clock=clock,
            log=LOG,
            stored=partial(asyncio.get_running_loop().call_soon_threadsafe, arrivals.wake),
            stopping=lambda: ready.stopping,
        )
        app = web_app([*webhooks.routes(), *health_routes(ready)], LOG)
        server = WebServer(app, "127.0.0.1", port, log=LOG, grace_seconds=2)
        intake = Intake(
            store,
            [forge],
            IntakePolicy(require_approval=True),
            clock=clock,
            log=LOG,
            arrivals=arrivals,
            reviews_changed=lambda: None,
        )
        tasks.start_soon(intake.run)
        await tasks.start(Front(server, beside=anyio.sleep_forever, last=store.settle).run)
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            async for _ in signals:
                break
        ready.stop()
        server.stop()
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(serve, Path(sys.argv[1]), int(sys.argv[2]))
