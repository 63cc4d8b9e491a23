"""``ReloadCredentials`` tells names, times and faults, and no value."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from ekaci_core.server.held_source import Standing
from ekaci_core.server.socket_credentials import credentials_tally, list_credentials, reload_credentials
from ekaci_core.server.socket_requests import Credentials, ReloadCredentials, parse_request
from ekaci_core.testing.builders import SilentLogger

pytestmark = pytest.mark.anyio

STANDING = Standing(
    "main", "vault", ("GITHUB_APP_ID",), None, 12.0, "vault: it cannot be reached", holds=True, down_since=10.0
)


@attrs.define
class Reloaded:
    """Counts how often it was asked."""

    asked: int = 0

    def standing(self) -> tuple[Standing, ...]:
        return (STANDING, attrs.evolve(STANDING, holds=False), attrs.evolve(STANDING, fault=None, down_since=None))

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
        "down_since": 10.0,
    }


async def test_looking_asks_no_source() -> None:
    reloaded = Reloaded()
    services: Any = SimpleNamespace(credentials=reloaded, log=SilentLogger())
    request = parse_request({"type": "Credentials"})
    assert isinstance(request, Credentials)
    found = await list_credentials(services, request)
    assert reloaded.asked == 0
    assert [(each["down_since"], each["usable"], each["fault"]) for each in found] == [
        (10.0, True, "vault: it cannot be reached"),
        (10.0, False, "vault: it cannot be reached"),
        (None, True, None),
    ]
    assert credentials_tally(services) == {"uses": 3, "down": 2, "unusable": 1}
