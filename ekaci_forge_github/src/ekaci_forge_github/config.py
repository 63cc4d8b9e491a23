"""A table of ``[[github_apps]]``, and the addresses that follow from it."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

import attrs

from ekaci_core.api import BadName, ForgeConfig, RepositoryId, UsageFault

PUBLIC_API: Final = "https://api.github.com"


@attrs.frozen(kw_only=True)
class GitHubAppConfig(ForgeConfig):
    """One GitHub App.

    Attributes:
        base_url: where the REST API is; of GitHub Enterprise Server ``https://HOST/api/v3``.
    """

    base_url: str = PUBLIC_API


@attrs.frozen
class Addresses:
    """Where an instance of GitHub is.

    Attributes:
        api: the REST API, without a slash at the end.
        web: where people and git go, likewise.
        host: the host of ``web``, as in `RepositoryId.forge`.
    """

    api: str
    web: str
    host: str

    @classmethod
    def of(cls, base_url: str, *, where: str = "github_apps.base_url") -> Addresses:
        """Derive them from the configured address.

        The hosts: https://docs.github.com/en/enterprise-server/rest/enterprise-admin (``/api/v3``) and
        https://docs.github.com/en/enterprise-cloud/admin/data-residency (``api.NAME.ghe.com``).

        Raises:
            UsageFault: it is no address that tokens may be sent to.
        """
        fault = UsageFault(f"not the address of GitHub's API: {base_url!r}", where=where, do=f"write {PUBLIC_API}")
        try:
            parts = urlsplit(base_url)
            port, name = parts.port, parts.hostname or ""
        except ValueError:
            raise fault from None
        if parts.scheme not in ("https", "http") or not name or parts.query or parts.fragment or "@" in parts.netloc:
            raise fault
        if parts.scheme == "http" and not _is_this_machine(name):
            raise UsageFault("tokens must not be sent in clear", where=where, do="write an https:// address")
        web = name.removeprefix("api.") if name == "api.github.com" or name.endswith(".ghe.com") else name
        host = f"{web}:{port}" if port is not None else web
        try:
            RepositoryId.parse(host, "owner/name")
        except BadName:
            raise fault from None
        return cls(base_url.rstrip("/"), f"{parts.scheme}://{host}", host)


def _is_this_machine(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
