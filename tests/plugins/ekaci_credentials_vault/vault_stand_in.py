"""A server that answers as Vault does: key-value engines of both versions, tokens, policies and four ways to log in.

Only what Vault's documentation of its HTTP interface says (https://developer.hashicorp.com/vault/api-docs), with its
status codes and members. It refuses whoever has no token or no policy for a path.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import json
import ssl
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs
import jwt

ROOT = "root-of-the-stand-in"


class Answer(Exception):
    def __init__(self, status: int, body: dict[str, Any] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body or {"errors": []}


@attrs.define
class HeldToken:
    policies: list[str]
    ends: float | None = None
    granted: float = 0.0
    renewable: bool = False
    period: float = 0.0


@attrs.define
class VaultStandIn:
    """State and rules; ``requests`` are the paths that were asked, ``namespaces`` those that were named."""

    mounts: dict[str, int] = attrs.field(factory=lambda: {"secret": 2})
    kept: dict[tuple[str, str], dict[str, Any]] = attrs.field(factory=dict)
    tokens: dict[str, HeldToken] = attrs.field(factory=lambda: {ROOT: HeldToken(["root"])})
    policies: dict[str, list[str]] = attrs.field(factory=dict)
    methods: dict[str, str] = attrs.field(factory=dict)
    roles: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    keys: dict[str, list[str]] = attrs.field(factory=dict)
    secret_ids: set[str] = attrs.field(factory=set)
    requests: list[str] = attrs.field(factory=list)
    namespaces: list[str | None] = attrs.field(factory=list)
    sealed: bool = False
    redirect: str | None = None
    garbage: bool = False

    def handle(self, method: str, path: str, body: dict[str, Any], token: str | None) -> dict[str, Any]:
        self.requests.append(f"{method} {path}")
        if self.sealed:
            raise Answer(503, {"errors": ["Vault is sealed"]})
        parts = path.split("/")
        if parts[0] == "auth" and parts[-1] == "login":
            return self._login("/".join(parts[1:-1]), body)
        held = self.tokens.get(token or "")
        if held is None or (held.ends is not None and held.ends <= time.time()):
            raise Answer(403, {"errors": ["permission denied"]})
        if parts[0] == "auth" and parts[1] == "token":
            return self._token(parts[2], body, token or "", held)
        if path.startswith("sys/internal/ui/mounts/"):
            return self._preflight(path.removeprefix("sys/internal/ui/mounts/"), held)
        mount = self._mount(path)
        if mount is None:
            self._only(held, "root", path)
            return self._administer(method, parts, body)
        self._only(held, "read" if method == "GET" else "root", path)
        return self._key_values(method, mount, path.removeprefix(f"{mount}/"), body)

    def _mount(self, path: str) -> str | None:
        return next((mount for mount in self.mounts if f"{path}/".startswith(f"{mount}/")), None)

    def _only(self, held: HeldToken, what: str, path: str) -> None:
        allowed = [glob for name in held.policies for glob in self.policies.get(name, [])]
        if "root" in held.policies or (what == "read" and any(fnmatch.fnmatchcase(path, glob) for glob in allowed)):
            return
        raise Answer(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})

    def _preflight(self, path: str, held: HeldToken) -> dict[str, Any]:
        mount = self._mount(path)
        allowed = [glob for name in held.policies for glob in self.policies.get(name, [])]
        if mount is None or not ("root" in held.policies or any(glob.startswith(f"{mount}/") for glob in allowed)):
            raise Answer(403, {"errors": [f"preflight capability check returned 403, for path {path}"]})
        options = {"version": "2"} if self.mounts[mount] == 2 else None
        return {"data": {"path": f"{mount}/", "type": "kv", "options": options}}

    def _key_values(self, method: str, mount: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.mounts[mount] == 1:
            return self._first_version(method, mount, path, body)
        kind, _, path = path.partition("/")
        if kind != "data":
            what = "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints"
            raise Answer(404, {"warnings": [what], "data": None})
        if method == "DELETE":
            self.kept[mount, path] = {"data": None, "metadata": {"deletion_time": _written(time.time()), "version": 1}}
            return {}
        if method != "GET":
            lasts = body.get("options", {}).get("lasts")
            ends = _written(time.time() + lasts) if lasts else ""
            metadata = {"deletion_time": ends, "version": 1, "destroyed": False, "created_time": _written(time.time())}
            self.kept[mount, path] = {"data": body["data"], "metadata": metadata}
            return {"data": metadata}
        if (mount, path) not in self.kept:
            raise Answer(404)
        found = self.kept[mount, path]
        if found["data"] is None:
            raise Answer(404, {"data": found})
        return {"data": found}

    def _first_version(self, method: str, mount: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if method != "GET":
            self.kept[mount, path] = body
            return {}
        if (mount, path) not in self.kept:
            raise Answer(404)
        return {"data": self.kept[mount, path], "lease_duration": 2764800, "renewable": False}

    def _administer(self, method: str, parts: list[str], body: dict[str, Any]) -> dict[str, Any]:
        match parts:
            case ["sys", "mounts", *mount]:
                self.mounts["/".join(mount)] = int((body.get("options") or {}).get("version") or 1)
            case ["sys", "policies", "acl", name] | ["sys", "policy", name]:
                self.policies[name] = [line.split('"')[1] for line in body["policy"].splitlines() if "path" in line]
            case ["sys", "auth", *mount]:
                self.methods["/".join(mount)] = body["type"]
            case ["auth", mount, "role", name, "role-id"]:
                return {"data": {"role_id": self.roles[f"{mount}/{name}"]["role_id"]}}
            case ["auth", mount, "role", name, "secret-id"]:
                self.secret_ids.add(found := str(uuid.uuid4()))
                return {"data": {"secret_id": found, "secret_id_accessor": "accessor"}}
            case ["auth", mount, "role", name]:
                self.roles[f"{mount}/{name}"] = {**body, "role_id": str(uuid.uuid4())}
            case ["auth", mount, "config"]:
                self.keys[mount] = body.get("jwt_validation_pubkeys", [])
            case _:
                raise Answer(404, {"errors": [f"no handler for route {'/'.join(parts)} ({method})"]})
        return {}

    def _login(self, mount: str, body: dict[str, Any]) -> dict[str, Any]:
        match self.methods.get(mount):
            case "approle":
                role = next((each for name, each in self.roles.items() if each["role_id"] == body.get("role_id")), None)
                if role is None or body.get("secret_id") not in self.secret_ids:
                    raise Answer(400, {"errors": ["invalid role or secret ID"]})
            case "jwt":
                role = self.roles.get(f"{mount}/{body.get('role')}")
                if role is None or not self._genuine(mount, role, body.get("jwt", "")):
                    raise Answer(400, {"errors": ["error validating token"]})
            case "kubernetes":
                role = self.roles.get(f"{mount}/{body.get('role')}")
                if role is None or body.get("jwt") != "canary-of-the-pod":
                    raise Answer(403, {"errors": ["permission denied"]})
            case _:
                raise Answer(404, {"errors": [f"no handler for route auth/{mount}/login"]})
        policies = role.get("token_policies") or []
        policies = policies.split(",") if isinstance(policies, str) else policies
        return self._issued(policies, float(role.get("token_ttl") or 3600), renewable=True)

    def _genuine(self, mount: str, role: dict[str, Any], token: str) -> bool:
        for key in self.keys.get(mount, []):
            try:
                claims = jwt.decode(token, key, algorithms=["RS256"], audience=role["bound_audiences"])
            except jwt.PyJWTError:
                continue
            return bool(claims.get(role["user_claim"]))
        return False

    def _issued(self, policies: list[str], seconds: float, *, renewable: bool, period: float = 0.0) -> dict[str, Any]:
        token = f"hvs.{uuid.uuid4().hex}"
        self.tokens[token] = HeldToken(policies, time.time() + seconds, seconds, renewable, period)
        auth = {"client_token": token, "lease_duration": int(seconds), "renewable": renewable, "policies": policies}
        return {"auth": auth}

    def _token(self, what: str, body: dict[str, Any], token: str, held: HeldToken) -> dict[str, Any]:
        match what:
            case "create":
                self._only(held, "root", "auth/token/create")
                seconds = float(str(body.get("period") or body.get("ttl") or "3600s").rstrip("s"))
                period = float(str(body.get("period") or "0s").rstrip("s"))
                return self._issued(
                    body.get("policies") or [], seconds, renewable=body.get("renewable", True), period=period
                )
            case "lookup-self":
                left = 0 if held.ends is None else max(int(held.ends - time.time() + 0.5), 1)
                data = {"ttl": left, "creation_ttl": int(held.granted), "renewable": held.renewable}
                return {"data": {**data, "policies": held.policies, **({"period": held.period} if held.period else {})}}
            case "renew-self":
                if not held.renewable:
                    raise Answer(400, {"errors": ["lease is not renewable"]})
                held.ends = time.time() + held.granted
                return {"auth": {"client_token": token, "lease_duration": int(held.granted), "renewable": True}}
            case "revoke-self":
                del self.tokens[token]
                return {}
            case _:
                raise Answer(404)


def _written(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"


@contextmanager
def served(vault: VaultStandIn, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve it on loopback; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            vault.namespaces.append(self.headers.get("X-Vault-Namespace"))
            path = self.path.partition("?")[0].removeprefix("/v1/")
            if vault.redirect is not None:
                self.send_response(307)
                self.send_header("Location", vault.redirect + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            try:
                status, answer = 200, vault.handle(self.command, path, body, self.headers.get("X-Vault-Token"))
            except Answer as other:
                status, answer = other.status, other.body
            content = b"<html>" if vault.garbage else json.dumps(answer).encode()
            if status == 200 and not answer:
                status, content = 204, b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_LIST = _do  # noqa: N815 - the names are the library's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
