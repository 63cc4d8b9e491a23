"""``ekaci credentials test``, and that no secret is shown anywhere on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

EKACI = str(Path(sys.executable).parent / "ekaci")
FILE = """
db_path = "{0}/db"

[[github_apps]]
id = "main"
credentials = {{ file = {{ path = "{0}/app.json" }} }}

[[caches]]
id = "s3"
cache_type = "nix-copy"
destination = "s3://bucket"
credentials = {{ systemd = {{ credential_id = "s3-creds" }} }}

[[caches]]
id = "dead"
cache_type = "cachix"
destination = "mine"
credentials = {{ vault = {{ address = "http://127.0.0.1:1", secret_path = "eka-ci/cachix" }} }}
"""
CANARIES = "canary-key", "canary-id", "canary-vault"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(folder), "VAULT_TOKEN": "canary-vault"}
    return subprocess.run(
        [EKACI, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ekaci.toml").write_text(FILE.format(tmp_path))
    key = tmp_path / "app.json"
    key.write_text(json.dumps({"GITHUB_APP_ID": "123456", "GITHUB_APP_PRIVATE_KEY": "canary-key"}))
    key.chmod(0o600)
    (tmp_path / "s3-creds").write_text("AWS_ACCESS_KEY_ID=canary-id\nAWS_SECRET_ACCESS_KEY=canary-key\n")
    return tmp_path


def test_every_use_with_names_and_the_exact_fault(folder: Path) -> None:
    done = run(folder, "credentials", "test", "--config-file", f"{folder}/ekaci.toml")
    assert done.returncode == 3
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["github_apps[0]", "main", "file", "-", "GITHUB_APP_ID,", "GITHUB_APP_PRIVATE_KEY"]
    assert lines[2].split() == [
        "caches[0]",
        "s3",
        "systemd-credential",
        "-",
        "AWS_ACCESS_KEY_ID,",
        "AWS_SECRET_ACCESS_KEY",
    ]
    assert lines[3].split() == ["caches[1]", "dead", "vault", "-", "-"]
    assert "http://127.0.0.1:1" in lines[4]
    assert "cannot be reached" in lines[4]
    assert "verify address" in lines[5]
    assert not [canary for canary in CANARIES if canary in done.stdout + done.stderr]


def test_one_use_as_a_document(folder: Path) -> None:
    for name in ("s3", "caches[0]"):
        done = run(folder, "credentials", "test", name, "--format", "json", "--config-file", f"{folder}/ekaci.toml")
        assert done.returncode == 0
        (found,) = json.loads(done.stdout)
        assert found == {
            "at": "caches[0]",
            "id": "s3",
            "source": "systemd-credential",
            "names": ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
            "expires_at": None,
            "fault": None,
        }


def test_a_name_that_nothing_has_and_a_file_without_any(folder: Path) -> None:
    done = run(folder, "credentials", "test", "nope", "--config-file", f"{folder}/ekaci.toml")
    assert done.returncode == 2
    assert "name one of: main, s3, dead" in done.stderr
    (folder / "ekaci.toml").write_text(f'db_path = "{folder}/db"\n')
    done = run(folder, "credentials", "test", "--config-file", f"{folder}/ekaci.toml")
    assert (done.returncode, done.stdout) == (0, "nothing that is configured uses credentials\n")


@pytest.mark.nix
def test_a_running_server_reads_everything_anew(tmp_path: Path) -> None:
    """Nothing that this server has uses credentials yet: the way to it is what is tried here."""
    place = tmp_path / "run/ekaci.socket"
    (tmp_path / "ekaci.toml").write_text(
        f'db_path = "{tmp_path}/db"\nlogs_dir = "{tmp_path}/logs"\nworkspace_root = "{tmp_path}/work"\n'
        f'shutdown_grace_seconds = 1\n[web]\nport = 0\n[unix]\nsocket_path = "{place}"\n'
        "[security]\nallow_insecure_webhooks = true\n"
    )
    missing = run(tmp_path, "credentials", "reload", "--socket", str(place))
    assert missing.returncode == 3
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [EKACI, "serve", "--config-file", f"{tmp_path}/ekaci.toml"], stdout=output, stderr=output
        )
    try:
        until = time.monotonic() + 60
        while "listening at" not in log.read_text():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        done = run(tmp_path, "credentials", "reload", "--socket", str(place))
        assert (done.returncode, done.stdout) == (0, "the server uses no credentials\n")
        document = run(tmp_path, "credentials", "reload", "--json", "--socket", str(place))
        assert json.loads(document.stdout) == []
    finally:
        server.terminate()
        server.wait(30)
    assert "credentials_reloaded" in log.read_text()
