"""How AWS is asked: within bounds, and by the process's own variables and files, as AWS's libraries find them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ekaci_core.api import Lease, Secret

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.credentials import Credentials

REGIONS: Final = "AWS_REGION", "AWS_DEFAULT_REGION"
_CONNECT_SECONDS: Final = 4
_READ_SECONDS: Final = 8


def bounded() -> Config:
    """Return the bounds of each request: two attempts end before anybody gives the source up."""
    from botocore.config import Config  # noqa: PLC0415 - it takes a while to load

    return Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"total_max_attempts": 2, "mode": "standard"},
    )


def lease_of(credentials: Credentials, region: str | None) -> Lease:
    """Make a lease of keys, under the names of the variables that AWS's tools read."""
    keys = credentials.get_frozen_credentials()
    found = {"AWS_ACCESS_KEY_ID": keys.access_key, "AWS_SECRET_ACCESS_KEY": keys.secret_key}
    if keys.token:
        found["AWS_SESSION_TOKEN"] = keys.token
    if region:
        found |= dict.fromkeys(REGIONS, region)
    # Keys that are fetched have an end, which has no public name in botocore.
    ends: Any = getattr(credentials, "_expiry_time", None)
    return Lease({name: Secret(str(value)) for name, value in found.items()}, ends.timestamp() if ends else None)
