"""What operators write about Vault."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from ekaci_core.api import UsageFault

METHODS: Final = "token", "approle", "kubernetes", "jwt"
VERSIONS: Final = 1, 2


@attrs.frozen
class VaultSettings:
    """Settings of one use; all but the first two may be left out.

    Attributes:
        address: ``https://vault.example.com:8200``.
        secret_path: the secret, as the command line's ``vault kv`` names it (``secret/eka-ci/s3``), as the HTTP
            interface does (``secret/data/eka-ci/s3``), or without the mount (``eka-ci/s3``).
        token_env: the variable with the token.
        token_file: a file with the token, which is read again whenever one is needed, as Vault's agent writes it.
        namespace: of Vault Enterprise.
        mount: where the engine is mounted; otherwise Vault is asked, and where it does not say, ``secret``.
        kv_version: 1 or 2; otherwise Vault is asked, and where it does not say, 2.
        auth: how to log in: one of `METHODS`.
        auth_mount: where that method is mounted; otherwise under its own name.
        role: for ``kubernetes`` and ``jwt``.
        role_id: for ``approle``.
        secret_id_env: for ``approle``: the variable with the secret id.
        secret_id_file: a file with it instead.
        jwt_file: the token of ``kubernetes`` (otherwise the pod's own) and ``jwt``.
        ca_file: certificates of authorities that Vault's own may be signed by, in PEM; otherwise the system's.
    """

    address: str
    secret_path: str
    token_env: str = "VAULT_TOKEN"  # noqa: S105 - a name
    token_file: Path | None = None
    namespace: str | None = None
    mount: str | None = None
    kv_version: int | None = None
    auth: str = "token"
    auth_mount: str | None = None
    role: str | None = None
    role_id: str | None = None
    secret_id_env: str = "VAULT_SECRET_ID"  # noqa: S105 - a name
    secret_id_file: Path | None = None
    jwt_file: Path | None = None
    ca_file: Path | None = None

    @property
    def where(self) -> str:
        """The source in messages."""
        return f"vault: {self.address}"


def check(settings: VaultSettings) -> None:
    """Judge what goes together.

    Raises:
        UsageFault: they cannot work; names the field.
    """
    if settings.auth not in METHODS:
        raise _wrong(settings, "auth", f"it is one of {', '.join(METHODS)}")
    if settings.kv_version not in (None, *VERSIONS):
        raise _wrong(settings, "kv_version", "it is 1 or 2, or left out")
    if not settings.secret_path.strip("/") or ".." in settings.secret_path.split("/"):
        raise _wrong(settings, "secret_path", 'write the path of a secret, such as "secret/eka-ci/s3"')
    if not settings.address.startswith(("https://", "http://")) or "@" in settings.address:
        raise _wrong(settings, "address", 'write an address such as "https://vault.example.com:8200"')
    if settings.auth == "approle" and not settings.role_id:
        raise _wrong(settings, "role_id", "name the role: vault read auth/approle/role/NAME/role-id")
    if settings.auth in ("kubernetes", "jwt") and not settings.role:
        raise _wrong(settings, "role", f"name the role of auth/{settings.auth_mount or settings.auth}")
    if settings.auth == "jwt" and settings.jwt_file is None:
        raise _wrong(settings, "jwt_file", "name the file with the token to log in with")


def _wrong(settings: VaultSettings, field: str, do: str) -> UsageFault:
    written = getattr(settings, field)
    said = "is not set" if written is None else "cannot be used"
    shown = settings.where if field != "address" else "vault"
    return UsageFault(f"{field} {said}", where=shown, do=do)
