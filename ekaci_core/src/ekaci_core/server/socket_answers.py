"""Which request is answered by whom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import anyio.abc
import attrs

from ekaci_core.api import InfrastructureFault
from ekaci_core.server import socket_requests as asked
from ekaci_core.server.composing import Services
from ekaci_core.server.socket_credentials import list_credentials, reload_credentials
from ekaci_core.server.socket_hooks import list_hooks
from ekaci_core.server.socket_looking import Looking
from ekaci_core.server.socket_pushes import pushes, retry_pushes
from ekaci_core.server.socket_requests import Request, parse_request
from ekaci_core.server.socket_setup import forge_setup
from ekaci_core.server.socket_starting import Starting
from ekaci_core.server.socket_steering import Steering

Looks = Callable[[Any], Awaitable[object]]
Acts = Callable[[Any, str], Awaitable[object]]


@attrs.frozen
class SocketAnswers:
    """Answers requests. While the server stops, only those are answered that look."""

    _looks: Mapping[type[Request], Looks]
    _acts: Mapping[type[Request], Acts]
    _stopping: Callable[[], bool]

    @classmethod
    def of(cls, services: Services, tasks: anyio.abc.TaskGroup, stopping: Callable[[], bool]) -> SocketAnswers:
        """Answer from these services; ``tasks`` is where builds run that are asked for."""
        steering, starting = Steering(services), Starting(services, tasks)
        looking = Looking(services, services.clock.monotonic(), stopping, starting.is_building)
        looks: dict[type[Request], Looks] = {
            asked.Info: looking.info,
            asked.Status: looking.status,
            asked.Queue: looking.queue,
            asked.Prs: looking.prs,
            asked.Jobs: looking.jobs,
            asked.Jobset: looking.jobset,
            asked.Review: looking.review,
            asked.DrvStatus: looking.drv_status,
            asked.Credentials: partial(list_credentials, services),
            asked.Pushes: partial(pushes, services),
            asked.Hooks: partial(list_hooks, services),
        }
        acts: dict[type[Request], Acts] = {
            asked.ResyncChecks: steering.resync_checks,
            asked.Deliveries: steering.deliveries,
            asked.Delivery: steering.delivery,
            asked.Replay: steering.replay,
            asked.Approve: steering.approve,
            asked.ApproveUser: steering.approve_user,
            asked.RemoveApprovedUser: steering.remove_approved_user,
            asked.ApprovedUsers: steering.approved_users,
            asked.ForgeCheck: steering.forge_check,
            asked.ForgeSetup: partial(forge_setup, services),
            asked.Poll: steering.poll,
            asked.ReloadCredentials: partial(reload_credentials, services),
            asked.RetryPushes: partial(retry_pushes, services),
            asked.GitHub: starting.github,
            asked.Git: starting.git,
            asked.Repo: starting.repo,
            asked.Job: starting.job,
            asked.Build: starting.build,
        }
        return cls(looks, acts, stopping)

    async def answer(self, document: object, person: str) -> Mapping[str, Any]:
        """Answer one: an object whose one key is the request's type.

        Raises:
            EkaciError: it cannot be done; says why.
        """
        request = parse_request(document)
        kind = type(request)
        if kind in self._looks:
            return {kind.__name__: await self._looks[kind](request)}
        if self._stopping():
            raise InfrastructureFault("the server is stopping", do="ask again when it is back")
        return {kind.__name__: await self._acts[kind](request, person)}
