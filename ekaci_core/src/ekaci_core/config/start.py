"""What keeps a server from starting although its configuration is right in itself."""

from __future__ import annotations

from collections.abc import Iterator

from ekaci_core.api import ForgeMode
from ekaci_core.config.convert import address
from ekaci_core.config.credential_sources import cannot_name_app
from ekaci_core.config.entries import GITHUB_APPS
from ekaci_core.config.load import DO
from ekaci_core.config.problems import ConfigurationProblems, Problem
from ekaci_core.config.server import ServerConfig


def check_start(config: ServerConfig) -> tuple[Problem, ...]:
    """See whether a server can start; return what it should say at start.

    Raises:
        ConfigurationProblems: it cannot.
    """
    faults = missing_for_start(config)
    if faults:
        raise ConfigurationProblems(config.file.origin, faults, do=DO)
    return (*without_app(config), *_open_doors(config))


def missing_for_start(config: ServerConfig) -> tuple[Problem, ...]:
    """Name what a server cannot start without."""
    if config.security.webhook_secret is not None or config.security.allow_insecure_webhooks:
        return ()
    told = [forge for forge in config.forges if forge.config.mode is ForgeMode.WEBHOOK]
    if config.forges and all(forge.config.webhook_secret is not None for forge in told):
        return ()
    what = (
        "there is no secret for webhooks: set WEBHOOK_SECRET to the one that the forge signs deliveries with "
        "(to do without on a machine of your own: security.allow_insecure_webhooks = true)"
    )
    return (Problem("security.webhook_secret", what),)


def without_app(config: ServerConfig) -> tuple[Problem, ...]:
    """Name the entries of ``[[github_apps]]`` whose source cannot yield an App."""
    found = []
    for entry in config.forges:
        use = entry.config.credentials
        if entry.table != GITHUB_APPS or use is None:
            continue
        why = cannot_name_app(use)
        if why is not None:
            at = f"{entry.at}.credentials"
            what = f"it cannot be used for a GitHub App: {why}"
            found.append(Problem(at, what, config.places.nearest(address(at, use.source))))
    return tuple(found)


def _open_doors(config: ServerConfig) -> Iterator[Problem]:
    for key, what in (
        ("allow_insecure_webhooks", "deliveries are believed whoever sends them; never do that in production"),
        ("allow_private_cache_hosts", "caches may be in private networks and on this machine"),
    ):
        if getattr(config.security, key):
            at = f"security.{key}"
            yield Problem(at, what, config.places.nearest(at))
