"""What goes wrong with Vault, in words. What a library raised is never chained: nobody knows what stands in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import hvac.exceptions
import requests

from ekaci_core.api import EkaciError, InfrastructureFault, UsageFault
from ekaci_credentials_vault.peers import NoWay
from ekaci_credentials_vault.settings import VaultSettings

RAISED: Final = (hvac.exceptions.VaultError, requests.RequestException, NoWay, ValueError)
"""What asking Vault raises."""


class Denied(UsageFault):
    """Vault refuses; another token may do."""


_UNREADY: Final = (
    hvac.exceptions.VaultDown,
    hvac.exceptions.InternalServerError,
    hvac.exceptions.BadGateway,
    hvac.exceptions.RateLimitExceeded,
    hvac.exceptions.VaultNotInitialized,
)
_REFUSED: Final = (hvac.exceptions.Forbidden, hvac.exceptions.Unauthorized)

# In this order: the kind of error, what it becomes, why, and what to do; None for what the caller says.
_KNOWN: Final[Sequence[tuple[type[Exception] | tuple[type[Exception], ...], type[EkaciError], str, str | None]]] = (
    (_REFUSED, Denied, "permission denied (403)", None),
    (hvac.exceptions.InvalidRequest, UsageFault, "Vault refuses the request (400)", None),
    (hvac.exceptions.InvalidPath, UsageFault, "there is nothing (404)", None),
    (
        _UNREADY,
        InfrastructureFault,
        "Vault is sealed, not ready or overloaded",
        "see `vault status`; it is asked again",
    ),
    (
        requests.exceptions.SSLError,
        InfrastructureFault,
        "its certificate cannot be verified",
        "name the certificates of its authority in ca_file",
    ),
    (requests.Timeout, InfrastructureFault, "no answer in time", "see whether it is up and can be reached from here"),
    (requests.RequestException, InfrastructureFault, "it cannot be reached", "verify address, and that Vault is up"),
    (Exception, InfrastructureFault, "the answer is not Vault's", "verify address: something else is there"),
)


def fault_of(error: Exception, doing: str, settings: VaultSettings, *, denied: str) -> EkaciError:
    """Say why something failed.

    Args:
        error: one of `RAISED`.
        doing: what was tried, as "failed to ...".
        settings: whose it is.
        denied: what to do where Vault refuses.
    """
    if isinstance(error, NoWay):
        return type(error.fault)(f"{doing}: {error.fault.what}", where=settings.where, do=error.fault.do)
    _, kind, reason, do = next(each for each in _KNOWN if isinstance(error, each[0]))
    return kind(f"{doing}: {reason}", where=settings.where, do=do or denied)
