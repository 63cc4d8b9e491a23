"""``ReloadCredentials`` tells names, times and faults, and no value."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from ekaci_core.server.held_source import Standing
from ekaci_core.server.socket_credentials import reload_credentials
from ekaci_core.server.socket_requests import ReloadCredentials, parse_request
from ekaci_core.testing.builders import SilentLogger

pytestmark = pytest.mark.anyio

STANDING = Standing("main", "vault", ("GITHUB_APP_ID",), None, 12.0, "vault: it cannot be reached", holds=True)


@attrs.define
class Reloaded:
    """Counts how often it was asked."""

    asked: int = 0

    async def reload(self) -> tuple[Standing, ...]:
        self.asked += 1
        return (STANDING,)


async def test_everything_is_read_anew_and_told() -> None:
    reloaded = Reloaded()
    services: Any = SimpleNamespace(credentials=reloaded, log=SilentLogger())
    request = parse_request({"type": "ReloadCredentials"})
    assert isinstance(request, ReloadCredentials)
    (found,) = await reload_credentials(services, request, "root")
    assert reloaded.asked == 1
    assert json.loads(json.dumps(found)) == {
        "used_by": "main",
        "source": "vault",
        "names": ["GITHUB_APP_ID"],
        "expires_at": None,
        "read_at": 12.0,
        "usable": True,
        "fault": "vault: it cannot be reached",
    }
