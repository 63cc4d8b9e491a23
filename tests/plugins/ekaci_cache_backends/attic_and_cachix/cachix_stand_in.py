"""A service that answers as Cachix's does where it is asked what is missing, and takes uploads of the stand-in program.

The first is as the public source has it (``cachix-api/src/Cachix/API.hs`` in https://github.com/cachix/cachix); uploads
here are nothing but names, since the real ones are the program's own business.
"""

from __future__ import annotations

import json
from http import HTTPStatus

import attrs
from tests.plugins.ekaci_cache_backends.attic_and_cachix.serving import Reply, Request, StandIn


@attrs.define
class CachixStandIn(StandIn):
    """One cache; ``kept`` are the paths in it. Without ``is_public``, nothing is answered without a token."""

    cache: str = "mine"
    is_public: bool = False
    tokens: set[str] = attrs.field(factory=set)
    kept: list[str] = attrs.field(factory=list)

    def answer(self, request: Request) -> Reply:
        kind, _, token = request.fields.get("authorization", "").partition(" ")
        may_write = kind == "Bearer" and token in self.tokens
        if not may_write and not (self.is_public and not token):
            text = f"Binary cache {self.cache} doesn't exist or you're not authorized to access."
            return Reply(HTTPStatus.UNAUTHORIZED, text.encode())
        match request.method, request.path.strip("/").split("/"):
            case "POST", ["api", "v1", "cache", self.cache, "narinfo"]:
                return self._missing(request)
            case "POST", ["stand-in", self.cache] if may_write:
                self.kept += [each for each in json.loads(request.body) if each not in self.kept]
                return _json([])
            case _:
                return Reply(HTTPStatus.NOT_FOUND, b"Binary cache not found")

    def _missing(self, request: Request) -> Reply:
        assert request.fields["content-type"].partition(";")[0] == "application/json"
        assert "application/json" in request.fields["accept"]
        hashes = json.loads(request.body)
        assert isinstance(hashes, list)
        assert all(isinstance(each, str) and len(each) == 32 for each in hashes)
        held = {path.rpartition("/")[2][:32] for path in self.kept}
        return _json([each for each in hashes if each not in held])


def _json(content: object) -> Reply:
    return Reply(HTTPStatus.OK, json.dumps(content).encode(), {"Content-Type": "application/json;charset=utf-8"})
