"""A table of ``[[gitlab_instances]]``, and the addresses that follow from it."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

import attrs

from ekaci_core.api import BadName, ForgeConfig, RepositoryId, Secret, UsageFault

_SCHEMES: Final = ("https", "http")
_LARGEST_PORT: Final = 65_535


@attrs.frozen(kw_only=True)
class GitLabConfig(ForgeConfig):
    """One account at one GitLab.

    Attributes:
        domain: the host, as ``gitlab.com``; a port may follow.
        token: an access token, where ``credentials`` name no source of it.
        scheme: ``https``, or ``http`` for a GitLab on this machine.
        port: where it is not the scheme's own.
        ca_file: certificates to believe besides those that the machine believes, in PEM.
        signing_token: what GitLab signs deliveries with: ``whsec_`` and base64.
    """

    domain: str
    token: Secret | None = None
    scheme: str = "https"
    port: int | None = None
    ca_file: str | None = None
    signing_token: Secret | None = None


@attrs.frozen
class Addresses:
    """Where a GitLab is.

    Attributes:
        api: the REST API, without a slash at the end.
        graphql: the GraphQL API.
        web: where people and git go.
        host: the host of ``web``, as in `RepositoryId.forge`.
    """

    api: str
    graphql: str
    web: str
    host: str

    @classmethod
    def of(cls, config: GitLabConfig, *, where: str) -> Addresses:
        """Derive them from a table.

        Raises:
            UsageFault: it is no address that tokens may be sent to.
        """
        if config.scheme not in _SCHEMES:
            raise UsageFault(f"not a scheme: {config.scheme!r}", where=f"{where}.scheme", do='write "https" or "http"')
        if config.port is not None and not 0 < config.port <= _LARGEST_PORT:
            raise UsageFault(f"not a port: {config.port}", where=f"{where}.port", do="write one from 1 to 65535")
        host = _host(config, f"{where}.domain")
        if config.scheme == "http" and not _is_this_machine(urlsplit(f"//{host}").hostname or ""):
            raise UsageFault("tokens must not be sent in clear", where=f"{where}.scheme", do='write "https"')
        web = f"{config.scheme}://{host}"
        return cls(f"{web}/api/v4", f"{web}/api/graphql", web, host)


def _host(config: GitLabConfig, where: str) -> str:
    fault = UsageFault(
        f"not the host of a GitLab: {config.domain!r}", where=where, do='write it without https://, as "gitlab.com"'
    )
    try:
        parts = urlsplit(f"//{config.domain}")
        port, name = parts.port, parts.hostname or ""
    except ValueError:
        raise fault from None
    if parts.netloc != config.domain or not name or "@" in parts.netloc:
        raise fault
    if port is not None and config.port not in (None, port):
        raise UsageFault(f"{config.domain} has another port than {config.port}", where=where, do="name one of the two")
    port = port if port is not None else config.port
    usual = {"https": 443, "http": 80}[config.scheme]
    host = name if port in (None, usual) else f"{name}:{port}"
    try:
        return RepositoryId.parse(host, "group/project").forge
    except BadName:
        raise fault from None


def _is_this_machine(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
