"""Answers of ``ekaci forge setup``: webhooks that are made through the API of forges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from ekaci_core.api import EkaciError, Finding, Forge, RepositoryId, UsageFault
from ekaci_core.registry.open_forge import OpenForge
from ekaci_core.server import socket_requests as asked
from ekaci_core.server.composing import Services
from ekaci_core.server.forges import Forges

_FEATURE: Final = "everything that begins with an event of this repository"


async def forge_setup(services: Services, request: asked.ForgeSetup, person: str) -> Sequence[Mapping[str, Any]]:
    """Have the events of repositories sent to this server; what is there already is corrected, never made twice.

    Raises:
        UsageFault: there is no such instance, or nobody knows where this server is reached.
    """
    found = []
    for each in _named(services.forges, request.instance):
        url = _url(services, each, request.url)
        if url is not None:
            fault, findings = await _set_up(each.forge, request.repositories, url)
            services.log.info("webhooks_set_up", instance=each.instance, url=url, repositories=len(findings), by=person)
            found.append(
                {
                    "type": each.type,
                    "instance": each.instance,
                    "host": each.forge.host,
                    "url": url,
                    "fault": fault,
                    "findings": [attrs.asdict(finding) for finding in findings],
                }
            )
    return found


def _named(forges: Forges, name: str | None) -> Sequence[OpenForge]:
    if name is None:
        return forges.instances
    found = [each for each in forges.instances if name in (each.instance, each.forge.host)]
    if not found:
        known = ", ".join(each.instance for each in forges.instances) or "none"
        raise UsageFault(f"no forge {name[:60]!r} is configured", do=f"there are: {known}")
    return found


def _url(services: Services, instance: OpenForge, given: str | None) -> str | None:
    """Return where its events are to go; None where its type has no webhook."""
    path = next((path for path, those in services.forges.paths.items() if instance in those), None)
    if path is None:
        return None
    url = given or services.config.web.public_url
    if url is None:
        do = "set web.public_url, or give the address with --url"
        raise UsageFault("nobody has said where forges reach this server", do=do)
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageFault(f"{url[:100]!r} is no address of this server", do="write https://HOST, with the port if any")
    return url.rstrip("/") + path


async def _set_up(forge: Forge, named: Sequence[str], url: str) -> tuple[str, Sequence[Finding]]:
    """Return what kept the forge from being asked at all, and what became of each repository."""
    findings: list[Finding] = []
    try:
        repositories = [RepositoryId.parse(forge.host, each) for each in named] or await forge.repositories()
    except EkaciError as error:
        return str(error), ()
    for repository in repositories:
        finding = await _one(forge, repository, url)
        findings.append(finding)
        if finding.well and finding.subject != str(repository):
            break  # done for all at once
    return "", findings


async def _one(forge: Forge, repository: RepositoryId, url: str) -> Finding:
    if not forge.serves(repository):
        return Finding(str(repository), well=False, text="the configuration excludes it", feature=_FEATURE)
    try:
        return await forge.install_webhook(repository, url)
    except EkaciError as error:
        return Finding(str(repository), well=False, text=str(error), feature=_FEATURE)
