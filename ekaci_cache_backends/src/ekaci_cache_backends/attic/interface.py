"""Attic's HTTP interface: what a cache has not, what it finds elsewhere, and uploads.

As its public source describes it in ``attic/src/api/v1`` (https://github.com/zhaofengli/attic): ``POST
get-missing-paths``, ``GET cache-config/CACHE``, and ``PUT upload-path``, whose body is a description in JSON, as long
as ``X-Attic-Nar-Info-Preamble-Size`` says, and then the archive as it is: the server compresses, verifies and signs.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from ekaci_cache_backends.answers import fault_of
from ekaci_cache_backends.attic.nar import ObjectChanged, archive
from ekaci_cache_backends.attic.path_infos import ObjectInfo
from ekaci_cache_backends.endpoints import Endpoint
from ekaci_core.api import InfrastructureFault, Lease, Secret, StorePath, UsageFault

if TYPE_CHECKING:
    from ekaci_cache_backends.guarded_http import Answer, GuardedHttp

TOKEN: Final = "ATTIC_TOKEN"  # noqa: S105 - a name
_AT_ONCE: Final = 5_000
_OK: Final = 200
_PREAMBLE_SIZE: Final = "X-Attic-Nar-Info-Preamble-Size"


@attrs.frozen
class AtticProfile:
    """How a cache is configured.

    Attributes:
        upstream_keys: names of the keys whose paths it does not want, since its users find them elsewhere.
        api_endpoint: where Attic's program goes with everything else; None where the server does not say.
    """

    upstream_keys: frozenset[str]
    api_endpoint: str | None


@attrs.frozen
class AtticInterface:
    """The interface of one cache, which messages call ``where``.

    What it raises:

    - `CredentialsRefused`: the token is not accepted.
    - `UsageFault`: there is no such cache, or the server does not take what it gets.
    - `InfrastructureFault`: it cannot be reached, is in trouble, or answers something else.
    """

    http: GuardedHttp
    endpoint: Endpoint
    cache: str
    where: str

    async def missing(self, paths: Collection[StorePath], token: Secret) -> frozenset[StorePath]:
        """Say which paths the cache has not."""
        hashes = list(dict.fromkeys(path.hash_part for path in paths))
        absent: set[str] = set()
        for start in range(0, len(hashes), _AT_ONCE):
            absent |= await self._missing(hashes[start : start + _AT_ONCE], token)
        return frozenset(path for path in paths if path.hash_part in absent)

    async def profile(self, token: Secret) -> AtticProfile:
        """Ask how the cache is configured; a token that may only push is refused."""
        answer = await self.http.ask_json("GET", self._url(f"cache-config/{self.cache}"), None, token)
        content = self._content(answer, "how the cache is configured")
        names, address = content.get("upstream_cache_key_names") or (), content.get("api_endpoint")
        keys = frozenset(each for each in names if isinstance(each, str))
        return AtticProfile(keys, address if isinstance(address, str) and address else None)

    async def upload(self, info: ObjectInfo, token: Secret) -> int:
        """Upload one store object; return how many bytes were sent.

        Raises also:
            OSError, ObjectChanged: it cannot be read.
        """
        from ekaci_cache_backends.guarded_http import bearer  # noqa: PLC0415 - its library takes a while to load

        preamble = json.dumps(describe(info, self.cache)).encode()
        length = len(preamble) + info.size
        fields = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(length),
            _PREAMBLE_SIZE: str(len(preamble)),
            **bearer(token),
        }
        answer = await self.http.ask("PUT", self._url("upload-path"), fields, _body(preamble, info))
        self._content(answer, f"to take {info.path}")
        return length

    async def _missing(self, hashes: Sequence[str], token: Secret) -> set[str]:
        asked = {"cache": self.cache, "store_path_hashes": hashes}
        answer = await self.http.ask_json("POST", self._url("get-missing-paths"), asked, token)
        found = self._content(answer, "what it has not").get("missing_paths")
        if not isinstance(found, list) or not set(map(str, found)) <= set(hashes):
            raise self._odd()
        return set(found)

    def _url(self, name: str) -> str:
        return f"{self.endpoint.url}_api/v1/{name}"

    def _content(self, answer: Answer, asked: str) -> dict[str, Any]:
        if answer.status != _OK:
            raise fault_of(answer, self.where, asked=asked)
        try:
            content = answer.json()
        except ValueError:
            raise self._odd() from None
        if not isinstance(content, dict):
            raise self._odd()
        return content

    def _odd(self) -> InfrastructureFault:
        return InfrastructureFault(
            "the answer is not Attic's", where=self.where, do=f"see what answers at {self.endpoint.url}"
        )


def token_of(lease: Lease, where: str) -> Secret:
    """Return the token among the secrets of a cache.

    Raises:
        UsageFault: there is none.
    """
    token = lease.secrets.get(TOKEN)
    if token is None:
        raise UsageFault(
            f"the credentials hold no {TOKEN}",
            where=f"{where}: credentials",
            do=f'write credentials = {{ env = {{ vars = ["{TOKEN}"] }} }}',
        )
    return token


def describe(info: ObjectInfo, cache: str) -> dict[str, Any]:
    """Say what is uploaded, in the members of ``UploadPathNarInfo``. References are base names, the path is whole."""
    return {
        "cache": cache,
        "store_path_hash": info.path.hash_part,
        "store_path": str(info.path),
        "references": [each.base_name for each in info.references],
        "system": None,
        "deriver": None,  # its own program does not tell it either
        "sigs": list(info.signatures),
        "ca": info.ca,
        "nar_hash": f"sha256:{info.sha256}",
        "nar_size": info.size,
    }


async def _body(preamble: bytes, info: ObjectInfo) -> AsyncIterator[bytes]:
    yield preamble
    left = info.size
    async for piece in archive(info.path):
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left != 0:
        raise ObjectChanged(f"it is not as long as the store has registered: see `nix-store --verify-path {info.path}`")
