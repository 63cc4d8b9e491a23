"""A Vault that is shut while the server works: what it gave goes on, and since when and until when can be seen."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.endtoend.service import Scene
from tests.plugins.ekaci_credentials_vault.vault_stand_in import ROOT, VaultStandIn, served

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

EKACI = str(Path(sys.executable).parent / "ekaci")


def run(scene: Scene, *arguments: str, expected: int = 0) -> str:
    service = scene.service
    words = [EKACI, *arguments, "--socket", str(service.folder / "sock")]
    done = subprocess.run(words, env=service.environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == expected, (done, service.log)
    return done.stdout


def listed(scene: Scene, expected: int = 0) -> dict[str, Any]:
    (found,) = json.loads(run(scene, "credentials", "list", "--json", expected=expected))
    assert isinstance(found, dict)
    return found


def keep(vault: VaultStandIn, scene: Scene, ends: float) -> None:
    """Put the App into Vault, to be deleted at a time."""
    written = dt.datetime.fromtimestamp(ends, dt.UTC).isoformat().replace("+00:00", "Z")
    app = {"GITHUB_APP_ID": str(scene.app.id), "GITHUB_APP_PRIVATE_KEY": scene.app.private_key}
    vault.kept["secret", "eka-ci/app"] = {"data": app, "metadata": {"deletion_time": written, "version": 1}}


def test_a_vault_that_is_shut_is_seen_and_reviews_go_on_with_what_it_gave(scene: Scene) -> None:
    vault, service, ends = VaultStandIn(), scene.service, float(int(time.time()) + 3000)
    keep(vault, scene, ends)
    with served(vault) as address:
        service.environment = {**service.environment, "VAULT_TOKEN": ROOT}
        service.credentials = f'{{ vault = {{ address = "{address}", secret_path = "eka-ci/app" }} }}'
        service.start()
        well = listed(scene)
        assert (well["used_by"], well["source"], well["expires_at"]) == ("github_apps.test", "vault", ends)
        assert (well["usable"], well["fault"], well["down_since"]) == (True, None, None)
        assert "down" not in run(scene, "credentials", "list") + run(scene, "status")

        vault.sealed = True
        before = time.time()
        run(scene, "credentials", "reload", expected=3)
        down = listed(scene)
        assert before <= down["down_since"] <= time.time()
        assert (down["usable"], down["expires_at"], down["names"]) == (True, ends, well["names"])
        assert "sealed" in down["fault"]
        shown = dt.datetime.fromtimestamp(ends).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        assert f"what it gave holds until {shown}: " in run(scene, "credentials", "list")
        assert "1 of 1 uses have a source that is down, 0 have nothing that holds" in run(scene, "status")
        assert json.loads(run(scene, "status", "--json"))["credentials"] == {"uses": 1, "down": 1, "unusable": 0}
        assert "credentials_not_renewed" in service.log
        scene.people.push(scene.place, {"README.md": "words\n"}, branch="words")
        pull = scene.people.open_pull(scene.place, "words", author="ada")
        service.verdict(scene.place, pull.head_sha, "success")

        run(scene, "credentials", "reload", expected=3)
        assert listed(scene)["down_since"] == down["down_since"], "since it went down, not since it was last asked"
        vault.sealed = False
        run(scene, "credentials", "reload")
        assert (listed(scene)["down_since"], listed(scene)["fault"]) == (None, None)
        assert "credentials_back" in service.log


def test_when_what_it_gave_has_ended_that_is_said_too(scene: Scene) -> None:
    vault, service, ends = VaultStandIn(), scene.service, float(int(time.time()) + 8)
    keep(vault, scene, ends)
    with served(vault) as address:
        service.environment = {**service.environment, "VAULT_TOKEN": ROOT}
        service.credentials = f'{{ vault = {{ address = "{address}", secret_path = "eka-ci/app" }} }}'
        service.start()
        vault.sealed = True
        run(scene, "credentials", "reload", expected=3)
        service.wait(lambda: time.time() > ends)
        assert listed(scene, expected=3)["usable"] is False
        assert "there is nothing that holds" in run(scene, "credentials", "list", expected=3)
        assert json.loads(run(scene, "status", "--json"))["credentials"]["unusable"] == 1
