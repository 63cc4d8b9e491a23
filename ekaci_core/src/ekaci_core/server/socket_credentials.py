"""Answers of commands about credentials. Only names are told, never a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ekaci_core.server import socket_requests as asked
from ekaci_core.server.composing import Services
from ekaci_core.server.held_source import Standing


async def reload_credentials(
    services: Services, request: asked.ReloadCredentials, person: str
) -> Sequence[Mapping[str, Any]]:
    """Read the secrets of every use anew, and say how it is with each."""
    del request
    services.log.info("credentials_reloaded", by=person)
    return [_document(each) for each in await services.credentials.reload()]


async def list_credentials(services: Services, request: asked.Credentials) -> Sequence[Mapping[str, Any]]:
    """Say how it is with every use now; no source is asked."""
    del request
    return [_document(each) for each in services.credentials.standing()]


def credentials_tally(services: Services) -> Mapping[str, int]:
    """Count uses: all, those whose source cannot be asked, and those of them that have nothing that holds."""
    found = services.credentials.standing()
    return {
        "uses": len(found),
        "down": sum(each.down_since is not None for each in found),
        "unusable": sum(each.down_since is not None and not each.holds for each in found),
    }


def _document(standing: Standing) -> Mapping[str, Any]:
    return {
        "used_by": standing.purpose,
        "source": standing.source,
        "names": list(standing.names),
        "expires_at": standing.expires_at,
        "read_at": standing.read_at,
        "usable": standing.holds,
        "fault": standing.fault,
        "down_since": standing.down_since,
    }
