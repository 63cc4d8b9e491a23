"""The reference page of the socket says what can be asked."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

from ekaci_core.server.socket_requests import REQUESTS

PAGE = (Path(__file__).parents[3] / "docs/reference/socket.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \| ([^|]*)\|", PAGE, re.MULTILINE))


def test_every_request_is_documented_with_its_keys() -> None:
    assert ROWS.keys() == REQUESTS.keys()
    for name, keys in ROWS.items():
        assert set(re.findall(r"`(\w+)`", keys)) == {field.name for field in attrs.fields(REQUESTS[name])}
