"""A table of ``[[gitea_instances]]``, and the addresses that follow from it."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from ekaci_core.api import BadName, ForgeConfig, RepositoryId, Secret, UsageFault

_USUAL_PORTS: Final = {"https": 443, "http": 80}
_LARGEST_PORT: Final = 65_535


@attrs.frozen(kw_only=True)
class GiteaConfig(ForgeConfig):
    """One instance of Gitea or Forgejo.

    Attributes:
        domain: its host as in its ``ROOT_URL``, with the port where that is there.
        token: an access token; or ``credentials``.
        scheme: ``https`` or ``http``.
        port: where it is not the usual one and not written behind the domain.
        path: what stands behind the host in ``ROOT_URL``, where it is served below a path.
        ca_file: certificates of authorities that its own may be signed by, in PEM; otherwise the system's.
    """

    domain: str
    token: Secret | None = None
    scheme: str = "https"
    port: int | None = None
    path: str = ""
    ca_file: Path | None = None


@attrs.frozen
class Addresses:
    """Where an instance is.

    Attributes:
        api: the REST API, without a slash at the end.
        web: where people and git go, likewise.
        host: as in `RepositoryId.forge`, with the port where it is not the usual one.
    """

    api: str
    web: str
    host: str

    @classmethod
    def of(cls, config: GiteaConfig, *, where: str) -> Addresses:
        """Derive them from the configuration.

        Raises:
            UsageFault: it is no address.
        """
        scheme, domain = config.scheme.lower(), config.domain.strip().lower()
        if scheme not in _USUAL_PORTS:
            raise UsageFault(f"{config.scheme!r} is no scheme", where=f"{where}.scheme", do="write https, or http")
        fault = UsageFault(
            f"not the host of an instance: {config.domain!r}", where=f"{where}.domain", do="write gitea.example.org"
        )
        name, written = _split(domain, fault)
        port = written if config.port is None else config.port
        if written is not None and config.port not in (None, written):
            raise UsageFault("the domain has another port", where=f"{where}.port", do="leave one of the two out")
        if port is not None and not 0 < port <= _LARGEST_PORT:
            raise UsageFault(f"{port} is no port", where=f"{where}.port", do="write a number from 1 to 65535")
        host = name if port in (None, _USUAL_PORTS[scheme]) else f"{name}:{port}"
        try:
            RepositoryId.parse(host, "owner/name")
        except BadName:
            raise fault from None
        web = f"{scheme}://{host}{_path(config.path, where)}"
        return cls(f"{web}/api/v1", web, host)


def _split(domain: str, fault: UsageFault) -> tuple[str, int | None]:
    try:
        parts = urlsplit(f"//{domain}")
        name, port = parts.hostname or "", parts.port
    except ValueError:
        raise fault from None
    if not name or parts.netloc != domain or "@" in domain:
        raise fault
    return name, port


def _path(path: str, where: str) -> str:
    parts = [part for part in path.split("/") if part]
    if any(part in (".", "..") or not part.isascii() or not part.replace("-", "_").isidentifier() for part in parts):
        raise UsageFault(f"{path!r} is no path", where=f"{where}.path", do="write what stands behind the host")
    return "".join(f"/{part}" for part in parts)


def is_this_machine(host: str) -> bool:
    """Whether what is sent to a host leaves the machine not."""
    name = host.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
