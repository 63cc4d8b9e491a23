"""A profile that logs in by SSO: the token that ``aws sso login`` left is turned into keys.

What AWS's portal answers: https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html
Where the token is kept: https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import attrs

TOKEN = "token-of-the-person"  # noqa: S105 - of the stand-in
CONFIG = """
[profile ci]
region = eu-north-1
sso_session = main
sso_account_id = 123456789012
sso_role_name = pusher
[sso-session main]
sso_region = eu-north-1
sso_start_url = https://example.org/start
sso_registration_scopes = sso:account:access
"""
# AWS's library decides where tokens are when it is imported.
READING = """
import anyio
from ekaci_core.testing.builders import plugin_context
from ekaci_credentials_aws.profile import AwsProfileSettings, AwsProfileType

async def main():
    async with AwsProfileType().open(AwsProfileSettings("ci"), plugin_context({})) as source:
        lease = await source.resolve()
        print(sorted(lease.secrets), lease.secrets["AWS_SECRET_ACCESS_KEY"].reveal(), int(lease.expires_at))

anyio.run(main)
"""


@attrs.define
class Portal:
    """Gives keys of one role to whoever has the token."""

    ends_at: int
    refused: list[str] = attrs.field(factory=list)

    def answer(self, path: str, token: str | None) -> tuple[int, dict[str, object]]:
        asked = urlsplit(path)
        wanted = {"role_name": ["pusher"], "account_id": ["123456789012"]}
        if asked.path != "/federation/credentials" or parse_qs(asked.query) != wanted or token != TOKEN:
            self.refused.append(path)
            return 401, {"message": "Session token not found or invalid"}
        keys = {"accessKeyId": "ASIACANARY", "secretAccessKey": "canary-key", "sessionToken": "canary-session"}
        return 200, {"roleCredentials": {**keys, "expiration": self.ends_at * 1000}}


@contextmanager
def served(portal: Portal) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = portal.answer(self.path, self.headers.get("x-amz-sso_bearer_token"))
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
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


def read(home: Path, portal: Portal) -> subprocess.CompletedProcess[str]:
    """Resolve the profile in a process whose person has logged in."""
    tokens = home / ".aws/sso/cache"
    tokens.mkdir(parents=True)
    (home / ".aws/config").write_text(CONFIG)
    document = {
        "startUrl": "https://example.org/start",
        "region": "eu-north-1",
        "accessToken": TOKEN,
        "expiresAt": "2099-01-01T00:00:00Z",
    }
    (tokens / f"{hashlib.sha1(b'main').hexdigest()}.json").write_text(json.dumps(document))  # noqa: S324 - AWS's choice
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with served(portal) as address:
        environment = {**plain, "HOME": str(home), "AWS_ENDPOINT_URL_SSO": address, "AWS_EC2_METADATA_DISABLED": "true"}
        return subprocess.run(
            [sys.executable, "-c", READING], env=environment, capture_output=True, text=True, check=False, timeout=60
        )


def test_what_a_person_logged_in_for_becomes_keys_that_end(tmp_path: Path) -> None:
    portal = Portal(int(time.time()) + 3600)
    done = read(tmp_path, portal)
    assert done.returncode == 0, done.stderr
    names = ["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    assert done.stdout.strip() == f"{names} canary-key {portal.ends_at}"
    assert portal.refused == []
