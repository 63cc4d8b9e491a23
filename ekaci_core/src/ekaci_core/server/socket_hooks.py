"""Runs of post-build hooks, as commands get them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ekaci_core.api import UsageFault
from ekaci_core.model.hook import HookState
from ekaci_core.server import socket_requests as asked
from ekaci_core.server.composing import Services
from ekaci_core.server.socket_naming import bounded
from ekaci_core.store.hook_execution import HookExecution


async def list_hooks(services: Services, request: asked.Hooks) -> Sequence[Mapping[str, Any]]:
    """List runs of hooks, the newest first.

    Raises:
        UsageFault: there is no such state.
        InfrastructureFault: the store failed.
    """
    state = None
    if request.state is not None:
        known = {each.value: each for each in HookState}
        if request.state not in known:
            raise UsageFault(f"{request.state[:60]!r} is no state", do=f"there are: {', '.join(known)}")
        state = known[request.state]
    found = await services.store.hook_executions(state=state, limit=bounded(request.limit))
    return [hook_document(each) for each in found]


def hook_document(execution: HookExecution) -> dict[str, Any]:
    """Write one; what it runs is left out, as that is the configuration's."""
    return {
        "id": execution.id,
        "hook": execution.hook,
        "origin": execution.origin.value,
        "fod": execution.fod,
        "review": execution.review,
        "repository": str(execution.repository),
        "branch": execution.branch,
        "sha": execution.sha,
        "job": execution.job,
        "drv_path": execution.drv,
        "state": execution.state.value,
        "exit_status": execution.exit_status,
        "attempts": execution.attempts,
        "asked_at": execution.asked_at,
        "started_at": execution.started_at,
        "ended_at": execution.ended_at,
        "log": execution.log_path,
        "reason": execution.reason,
    }
