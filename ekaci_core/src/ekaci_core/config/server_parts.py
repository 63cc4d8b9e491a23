"""The tables of the server's configuration, each with its defaults and bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import attrs

from ekaci_core.api.credentials import CredentialUse
from ekaci_core.config.rules import Glob, IpAddress, Text, WebAddress, WebOrigin, at_least, one_of, within
from ekaci_core.model.secret import Secret


@attrs.frozen
class WebSettings:
    """``[web]``: the HTTP server.

    Attributes:
        address: the IP address that it listens on.
        port: its TCP port; 0 for any that is free.
        bundle_path: nothing reads it: the pages come with EkaCI.
        allowed_origins: pages of these origins may ask the API; empty for none but its own.
        public_url: where people reach the server, for links in reports; None for address and port.
    """

    address: IpAddress = "127.0.0.1"
    port: Annotated[int, within(0, 65535)] = 3030
    bundle_path: Path | None = None
    allowed_origins: tuple[WebOrigin, ...] = ()
    public_url: WebAddress | None = None

    @property
    def url(self) -> str:
        """Where people reach the server, without a slash at the end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}"


@attrs.frozen
class UnixSettings:
    """``[unix]``: the socket for ``ekaci`` commands. ``socket_path`` is None for the usual place."""

    socket_path: Path | None = None


@attrs.frozen
class OauthSettings:
    """``[oauth]``: logging in on the pages.

    Attributes:
        client_id: of the application at the forge.
        client_secret: belongs to it.
        redirect_url: where the forge sends people back to; None for `/github/auth/callback` of this server.
        jwt_secret: signs sessions; None for one that is made up at each start.
        credentials: where what is left out here comes from.
    """

    client_id: Text | None = None
    client_secret: Secret | None = None
    redirect_url: WebAddress | None = None
    jwt_secret: Secret | None = None
    credentials: CredentialUse | None = None


@attrs.frozen
class SecuritySettings:
    """``[security]``.

    Attributes:
        webhook_secret: signs deliveries of every forge whose table has none of its own.
        allow_insecure_webhooks: deliveries are believed without a secret.
        allow_private_cache_hosts: caches may be on this machine or in private networks.
        allowed_hook_repos: repositories, by patterns, whose own post-build hooks are run.
        repository_hook_network: those have the machine's network.
        audit_hooks: an audit record is written of every hook.
        max_hook_timeout_seconds: a hook that takes so long is ended.
    """

    webhook_secret: Secret | None = None
    allow_insecure_webhooks: bool = False
    allow_private_cache_hosts: bool = False
    allowed_hook_repos: tuple[Glob, ...] = ()
    repository_hook_network: bool = True
    audit_hooks: bool = True
    max_hook_timeout_seconds: Annotated[int, within(1, 86_400)] = 300


@attrs.frozen
class GraphTiers:
    """``[graph]``: after how many seconds finished derivations may leave the memory.

    Attributes:
        tier1_age_seconds: those that something else made fail.
        tier2_age_seconds: those that failed.
        tier3_age_seconds: those that were built.
    """

    tier1_age_seconds: Annotated[int, at_least(0)] = 3600
    tier2_age_seconds: Annotated[int, at_least(0)] = 21_600
    tier3_age_seconds: Annotated[int, at_least(0)] = 86_400


@attrs.frozen
class GraphSettings(GraphTiers):
    """The graph in memory. ``lru_capacity`` is ``graph_lru_capacity`` of the top: derivations that it keeps."""

    lru_capacity: int = 100_000


@attrs.frozen
class EvalSettings:
    """``[eval]``: how attributes are evaluated.

    Attributes:
        evaluator: the name of its type, or ``auto``.
        workers: evaluator processes; None for as many as processors and memory allow.
        memory_mib: of one of them, in MiB; None for what suits the machine.
        timeout_seconds: longest time for one attribute; 0 for no limit.
    """

    evaluator: Text = "auto"
    workers: Annotated[int, within(1, 1024)] | None = None
    memory_mib: Annotated[int, within(64, 1_048_576)] | None = None
    timeout_seconds: Annotated[int, within(0, 86_400)] = 1800


@attrs.frozen
class RebuildSettings:
    """``[rebuild]``: changes that are not built.

    Attributes:
        max_rebuild_count: a change that rebuilds more derivations is wide, and not built package by package.
        skip_paths: a change to nothing but files that match rebuilds nothing; ``**`` crosses folders.
    """

    max_rebuild_count: Annotated[int, at_least(1)] = 20_000
    skip_paths: tuple[Glob, ...] = ()


MergeMethod = Annotated[str, one_of("merge", "squash", "rebase")]
