"""A server that answers as Attic's does, and takes nothing that is not as its source describes it.

Members, states and words are those of ``attic/src/api/v1``, ``server/src/api`` and ``server/src/error.rs`` in
https://github.com/zhaofengli/attic; what was uploaded is served as a binary cache, so that Nix can judge it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import attrs
from tests.plugins.ekaci_cache_backends.attic_and_cachix.serving import Reply, Request, StandIn

_BASE = re.compile(r"[0-9a-df-np-sv-z]{32}-[0-9a-zA-Z+\-._?=]+")
_HASH = re.compile(r"[0-9a-df-np-sv-z]{32}")
_MEMBERS = {
    "cache": str,
    "store_path_hash": str,
    "store_path": str,
    "references": list,
    "system": str | None,
    "deriver": str | None,
    "sigs": list,
    "ca": str | None,
    "nar_hash": str,
    "nar_size": int,
}
_PREAMBLE_BYTES = 1024 * 1024


class Refusal(Exception):
    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@attrs.frozen
class Kept:
    info: Mapping[str, Any]
    nar: bytes


@attrs.define
class AtticStandIn(StandIn):
    """One server with one cache. ``uploads`` counts requests, ``upstream`` are names of keys.

    Each of ``instead_of_reading`` answers one upload, of which nothing has been read.
    """

    cache: str = "main"
    prefix: str = ""
    tokens: set[str] = attrs.field(factory=set)
    only_push: set[str] = attrs.field(factory=set)
    upstream: list[str] = attrs.field(factory=list)
    api_endpoint: str | None = None
    kept: dict[str, Kept] = attrs.field(factory=dict)
    uploads: int = 0
    broken_uploads: set[str] = attrs.field(factory=set)
    instead_of_reading: list[Callable[[], Reply]] = attrs.field(factory=list)

    @property
    def store_paths(self) -> list[str]:
        """What was uploaded, in that order."""
        return [each.info["store_path"] for each in self.kept.values()]

    def is_read(self, method: str, path: str) -> bool:
        return not (method == "PUT" and path.endswith("upload-path") and self.instead_of_reading)

    def answer(self, request: Request) -> Reply:
        if not self.is_read(request.method, request.path):
            return self.instead_of_reading.pop(0)()
        try:
            return self._answer(request)
        except Refusal as refusal:
            return refusal.reply

    def _answer(self, request: Request) -> Reply:
        if not request.path.startswith(f"{self.prefix}/"):
            return _error(HTTPStatus.NOT_FOUND, "NotFound", "The URL you requested was not found.")
        path = request.path.removeprefix(self.prefix)
        match request.method, path.strip("/").split("/"):
            case "POST", ["_api", "v1", "get-missing-paths"]:
                return self._missing(request)
            case "PUT", ["_api", "v1", "upload-path"]:
                return self._upload(request)
            case "GET", ["_api", "v1", "cache-config", cache]:
                return self._configured(request, cache)
            case "GET" | "HEAD", [cache, *rest] if cache == self.cache:
                return self._binary_cache("/".join(rest))
            case _:
                return _error(HTTPStatus.NOT_FOUND, "NotFound", "The URL you requested was not found.")

    def _authorize(self, request: Request, cache: Any) -> None:
        kind, _, token = request.fields.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or token not in self.tokens | self.only_push:
            raise Refusal(_error(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized."))
        if cache != self.cache:
            raise Refusal(_error(HTTPStatus.NOT_FOUND, "NoSuchCache", "The requested cache does not exist."))

    def _missing(self, request: Request) -> Reply:
        if request.fields.get("content-type") != "application/json":
            return Reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, b"Expected request with `Content-Type: application/json`")
        asked = json.loads(request.body)
        assert asked.keys() == {"cache", "store_path_hashes"}
        assert all(_HASH.fullmatch(each) for each in asked["store_path_hashes"])
        self._authorize(request, asked["cache"])
        return _json({"missing_paths": [each for each in set(asked["store_path_hashes"]) if each not in self.kept]})

    def _configured(self, request: Request, cache: str) -> Reply:
        self._authorize(request, cache)
        if request.fields["authorization"].partition(" ")[2] in self.only_push:
            return _error(HTTPStatus.FORBIDDEN, "AccessError", "Access error: Permission denied")
        endpoint = self.api_endpoint or f"{self.address}{self.prefix}/"
        content = {"api_endpoint": endpoint, "upstream_cache_key_names": self.upstream}
        return _json({**content, "is_public": False, "store_dir": "/nix/store", "priority": 41})

    def _upload(self, request: Request) -> Reply:
        self.uploads += 1
        size = request.fields.get("x-attic-nar-info-preamble-size", "")
        if not size.isdecimal() or int(size) > _PREAMBLE_BYTES:
            raise Refusal(_bad("X-Attic-Nar-Info must be set" if not size else "Upload info is too large"))
        info = _info_in(request.body[: int(size)])
        self._authorize(request, info.get("cache"))
        if info["store_path"] in self.broken_uploads:
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalServerError", "The server encountered an error")
        nar = request.body[int(size) :]
        if f"sha256:{hashlib.sha256(nar).hexdigest()}" != info["nar_hash"] or len(nar) != info["nar_size"]:
            return _bad("Bad NAR Hash or Size")
        shared = any(each.nar == nar for each in self.kept.values())
        self.kept.setdefault(info["store_path_hash"], Kept(info, nar))
        if shared:
            return _json({"kind": "Deduplicated", "frac_deduplicated": None})
        return _json({"kind": "Uploaded", "file_size": len(nar), "frac_deduplicated": 0.0})

    def _binary_cache(self, name: str) -> Reply:
        if name == "nix-cache-info":
            return Reply(HTTPStatus.OK, b"StoreDir: /nix/store\nWantMassQuery: 1\n")
        kept = self.kept.get(name.rpartition("/")[2].partition(".")[0])
        if kept is None:
            return _error(HTTPStatus.NOT_FOUND, "NoSuchObject", "The requested object does not exist.")
        if name.endswith(".nar"):
            return Reply(HTTPStatus.OK, kept.nar)
        info = kept.info
        lines = {
            "StorePath": info["store_path"],
            "URL": f"nar/{info['store_path_hash']}.nar",
            "Compression": "none",
            "NarHash": info["nar_hash"],
            "NarSize": info["nar_size"],
            "References": " ".join(info["references"]),
            **({"CA": info["ca"]} if info["ca"] else {}),
        }
        return Reply(HTTPStatus.OK, "".join(f"{name}: {value}\n" for name, value in lines.items()).encode())


def _info_in(preamble: bytes) -> dict[str, Any]:
    try:
        info: dict[str, Any] = json.loads(preamble)
    except ValueError as error:
        raise Refusal(_bad(str(error))) from None
    if fault := _fault_in(info):
        raise Refusal(_bad(fault))
    return info


def _fault_in(info: Mapping[str, Any]) -> str | None:
    if info.keys() != _MEMBERS.keys():
        return f"unknown or missing fields: {info.keys() ^ _MEMBERS.keys()}"
    for name, kind in _MEMBERS.items():
        if not isinstance(info[name], kind):
            return f"invalid type of {name}"
    base = info["store_path"].removeprefix("/nix/store/")
    if not _BASE.fullmatch(base) or base[:32] != info["store_path_hash"]:
        return "Invalid store path"
    if not all(isinstance(each, str) and _BASE.fullmatch(each) for each in info["references"]):
        return "references are base names"
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", info["nar_hash"]):
        return "Hashing error: Invalid base16 hash"
    return None


def _json(content: object) -> Reply:
    return Reply(HTTPStatus.OK, json.dumps(content).encode(), {"Content-Type": "application/json"})


def _error(status: HTTPStatus, error: str, message: str) -> Reply:
    body = json.dumps({"code": int(status), "error": error, "message": message}).encode()
    return Reply(status, body, {"Content-Type": "application/json"})


def _bad(message: str) -> Reply:
    return _error(HTTPStatus.BAD_REQUEST, "RequestError", f"General request error: {message}")
