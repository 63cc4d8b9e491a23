"""What goes wrong with Vault, in words. What a library raised is never chained: nobody knows what stands in it."""

from __future__ import annotations

from typing import Final

import hvac.exceptions
import requests

from ekaci_core.api import EkaciError, InfrastructureFault, UsageFault
from ekaci_credentials_vault.peers import ForbiddenPeer
from ekaci_credentials_vault.settings import VaultSettings

RAISED: Final = (hvac.exceptions.VaultError, requests.RequestException, ForbiddenPeer, ValueError)
"""What asking Vault raises."""

_LATER: Final = (
    hvac.exceptions.VaultDown,
    hvac.exceptions.InternalServerError,
    hvac.exceptions.BadGateway,
    hvac.exceptions.RateLimitExceeded,
    hvac.exceptions.VaultNotInitialized,
)


class Denied(UsageFault):
    """Vault refuses; another token may do."""


def fault_of(error: Exception, doing: str, settings: VaultSettings, *, denied: str) -> EkaciError:
    """Say why something failed.

    Args:
        error: one of `RAISED`.
        doing: what was tried, as "failed to ...".
        settings: whose it is.
        denied: what to do where Vault refuses.
    """
    where = settings.where
    match error:
        case ForbiddenPeer():
            what = f"{doing}: the address leads to {error}, which is link-local or a metadata service"
            return UsageFault(what, where=where, do="name the address of Vault in address")
        case hvac.exceptions.Forbidden() | hvac.exceptions.Unauthorized():
            return Denied(f"{doing}: permission denied (403)", where=where, do=denied)
        case hvac.exceptions.InvalidRequest():
            return UsageFault(f"{doing}: Vault refuses the request (400)", where=where, do=denied)
        case hvac.exceptions.InvalidPath():
            return UsageFault(f"{doing}: there is nothing (404)", where=where, do=denied)
        case _ if isinstance(error, _LATER):
            return InfrastructureFault(
                f"{doing}: Vault is sealed, not ready or overloaded ({type(error).__name__})",
                where=where,
                do="see `vault status`; it is asked again",
            )
        case requests.exceptions.SSLError():
            return InfrastructureFault(
                f"{doing}: its certificate cannot be verified",
                where=where,
                do="name the certificates of its authority in ca_file",
            )
        case requests.Timeout():
            what, do = f"{doing}: no answer in time", "see whether it is up and can be reached from here"
            return InfrastructureFault(what, where=where, do=do)
        case requests.RequestException():
            what, do = f"{doing}: it cannot be reached", "verify address, and that Vault is up"
            return InfrastructureFault(what, where=where, do=do)
        case _:
            what, do = f"{doing}: the answer is not Vault's", "verify address: something else is there"
            return InfrastructureFault(what, where=where, do=do)
