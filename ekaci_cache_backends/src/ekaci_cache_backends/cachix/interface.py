"""What Cachix is asked over HTTP: which paths a cache has not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from ekaci_cache_backends.answers import fault_of
from ekaci_cache_backends.endpoints import Endpoint
from ekaci_cache_backends.refusals import CredentialsRefused
from ekaci_core.api import InfrastructureFault, Secret, StorePath

if TYPE_CHECKING:
    from ekaci_cache_backends.guarded_http import GuardedHttp

_AT_ONCE: Final = 5_000
_OK: Final = 200


@attrs.frozen
class CachixInterface:
    """The interface of one cache, which messages call ``where``."""

    http: GuardedHttp
    endpoint: Endpoint
    cache: str
    where: str

    async def missing(self, paths: Collection[StorePath], token: Secret | None) -> frozenset[StorePath]:
        """Say which paths the cache has not; all where it does not let itself be asked without a token.

        Raises:
            CredentialsRefused: the token is not accepted.
            UsageFault: there is no such cache.
            InfrastructureFault: it cannot be reached, or answers something else.
        """
        by_hash = {path.hash_part: path for path in paths}
        hashes = list(by_hash)
        absent: set[str] = set()
        for start in range(0, len(hashes), _AT_ONCE):
            try:
                absent |= await self._missing(hashes[start : start + _AT_ONCE], token)
            except CredentialsRefused:
                if token is not None:
                    raise
                return frozenset(paths)  # with a signing key alone, only the program knows
        return frozenset(path for path in paths if path.hash_part in absent)

    async def _missing(self, hashes: Sequence[str], token: Secret | None) -> set[str]:
        url = f"{self.endpoint.url}api/v1/cache/{self.cache}/narinfo"
        answer = await self.http.ask_json("POST", url, hashes, token)
        if answer.status != _OK:
            raise fault_of(answer, self.where, asked=f"what the cache {self.cache!r} has not")
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, list) or not set(map(str, found)) <= set(hashes):
            raise InfrastructureFault(
                "the answer is not Cachix's", where=self.where, do="see whether `endpoint` is where Cachix is"
            )
        return set(found)
