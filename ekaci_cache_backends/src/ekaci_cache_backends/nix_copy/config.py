"""What the table of a ``nix-copy`` cache has."""

from __future__ import annotations

import attrs

from ekaci_core.api import CacheConfig, CredentialUse

SIGNING_KEY = "NIX_SIGNING_KEY"
"""The secret with the key, as ``nix-store --generate-binary-cache-key`` writes it."""


@attrs.frozen(kw_only=True)
class NixCopyConfig(CacheConfig):
    """A binary cache that any Nix reads, or another store.

    Attributes:
        signing_key: where the key comes from with which paths are signed; None to push the signatures that they have.
        uploads: so many files are sent at once.
        timeout_seconds: so long may the other side be silent.
    """

    signing_key: CredentialUse | None = None
    uploads: int = attrs.field(default=8, validator=[attrs.validators.ge(1), attrs.validators.le(64)])
    timeout_seconds: int = attrs.field(default=60, validator=[attrs.validators.ge(1), attrs.validators.le(3600)])
