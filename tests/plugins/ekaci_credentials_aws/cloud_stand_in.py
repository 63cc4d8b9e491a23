"""A server that answers as the metadata services of three clouds do, and their managers of secrets.

By the pages that `ekaci_credentials_aws.metadata.Endpoints` names. It refuses requests without the headers that the
clouds insist on.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs


@attrs.define
class CloudStandIn:
    """One machine in one cloud: ``cloud`` is ``aws``, ``gcp`` or ``azure``."""

    cloud: str
    secrets: dict[str, bytes] = attrs.field(factory=dict)
    identity: bool = True
    status: int | None = None
    requests: list[str] = attrs.field(factory=list)

    def handle(self, method: str, path: str, query: dict[str, list[str]], headers: Any) -> tuple[int, Any]:
        self.requests.append(f"{method} {path}")
        if self.status is not None:
            return self.status, {}
        match self.cloud:
            case "gcp":
                found = self._gcp(path, headers)
            case "azure":
                found = self._azure(path, query, headers)
            case _:
                found = self._aws(method, path, headers)
        return found if found is not None else (404, {"error": "not found"})

    def _gcp(self, path: str, headers: Any) -> tuple[int, Any] | None:
        if path.startswith("/computeMetadata/v1/"):
            if headers.get("Metadata-Flavor") != "Google":
                return 403, {}
            below = path.removeprefix("/computeMetadata/v1/")
            if below == "instance/service-accounts/default/token" and self.identity:
                return 200, {"access_token": "canary-google", "expires_in": 3599, "token_type": "Bearer"}
            return {"": (200, "instance/\nproject/\n"), "project/project-id": (200, "my-project")}.get(below)
        if headers.get("Authorization") != "Bearer canary-google":
            return 401, {}
        content = self.secrets.get(path)
        return None if content is None else (200, {"payload": {"data": base64.b64encode(content).decode()}})

    def _azure(self, path: str, query: dict[str, list[str]], headers: Any) -> tuple[int, Any] | None:
        if path.startswith("/metadata/"):
            if headers.get("Metadata") != "true" or "api-version" not in query:
                return 400, {"error": "Bad request. Required metadata header not specified"}
            if path == "/metadata/instance":
                return 200, {"compute": {}}
            if path != "/metadata/identity/oauth2/token" or not self.identity:
                return 400, {"error": "invalid_request", "error_description": "Identity not found"}
            token = f"canary-azure of {query['resource'][0]}"
            return 200, {"access_token": token, "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
        if headers.get("Authorization") != "Bearer canary-azure of https://vault.azure.net":
            return 401, {}
        content = self.secrets.get(path)
        return None if content is None else (200, {"value": content.decode(), "id": path})

    def _aws(self, method: str, path: str, headers: Any) -> tuple[int, Any] | None:
        if path == "/latest/api/token":
            return (200, "token-of-the-service") if method == "PUT" else (405, "")
        if headers.get("X-aws-ec2-metadata-token") != "token-of-the-service":
            return 401, ""
        below = path.removeprefix("/latest/meta-data/")
        if below.rstrip("/") == "placement/availability-zone":
            return 200, "eu-north-1b"
        if not self.identity:
            return None
        if below == "iam/security-credentials/":
            return 200, "ci-role"
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 21600))
        keys = {"AccessKeyId": "canary-aws-id", "SecretAccessKey": "canary-aws-key", "Token": "canary-aws-token"}
        answer = {"Code": "Success", "Type": "AWS-HMAC", **keys, "Expiration": ends}
        return (200, answer) if below == "iam/security-credentials/ci-role" else None


@contextmanager
def served(cloud: CloudStandIn) -> Iterator[str]:
    """Serve it on loopback; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            parts = urlsplit(self.path)
            status, answer = cloud.handle(self.command, parts.path, parse_qs(parts.query), self.headers)
            content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            if cloud.cloud == "gcp":
                self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = _do  # noqa: N815 - the names are the library's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
