"""How long to wait, of what GitHub answers."""

from __future__ import annotations

import pytest

from ekaci_forge_github.limits import pause_after

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("status", "fields", "text", "wanted"),
    [
        (403, {}, "Resource not accessible by integration", None),
        (403, {}, "You have exceeded a secondary rate limit", 60),
        (403, {}, "You have triggered an abuse detection mechanism", 60),
        (403, {"retry-after": "30"}, "", 30),
        (429, {"retry-after": "0"}, "", 1),
        (429, {"retry-after": "999999"}, "", 3600),
        (429, {"retry-after": "Tue, 14 Nov 2023 22:13:30 GMT"}, "", 10),
        (429, {"retry-after": "soon"}, "", 60),
        (429, {"retry-after": "-5"}, "", 60),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000090"}, "", 90),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "x"}, "", 60),
        (403, {"x-ratelimit-remaining": "1", "x-ratelimit-reset": "1700000090"}, "", None),
        (429, {"retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000090"}, "", 7),
        (503, {"retry-after": "7"}, "", 7),
        (502, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000090"}, "rate limit", None),
        (404, {"retry-after": "7"}, "rate limit", None),
    ],
)
def test_pauses(status: int, fields: dict[str, str], text: str, wanted: float | None) -> None:
    assert pause_after(status, fields, text, NOW) == wanted
