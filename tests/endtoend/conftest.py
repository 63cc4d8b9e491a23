"""The example package set at the stand-in GitHub, given to the App of a server that a test starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.endtoend.service import SECRET, Scene, Service, package_set
from tests.standins.github.server import running_github


@pytest.fixture
def scene(tmp_path: Path, nix_environment: Mapping[str, str]) -> Iterator[Scene]:
    with staged(tmp_path, nix_environment) as scene:
        yield scene


@pytest.fixture
def enterprise(tmp_path: Path, nix_environment: Mapping[str, str]) -> Iterator[Scene]:
    """The same at a GitHub Enterprise Server."""
    with staged(tmp_path, nix_environment, enterprise=True) as scene:
        yield scene


@contextmanager
def staged(folder: Path, nix_environment: Mapping[str, str], *, enterprise: bool = False) -> Iterator[Scene]:
    (folder / "github").mkdir()
    (folder / "server").mkdir()
    with running_github(folder / "github", enterprise=enterprise) as github:
        place = github.world.repository("octo/packages", files=package_set(), roles={"ada": "write", "grace": "admin"})
        app = github.world.app(webhook_secret=SECRET)
        github.world.install(app, "octo")
        environment = {**os.environ, **nix_environment}
        service = Service(github, app, folder / "server", environment)
        try:
            yield Scene(github, app, place, service)
        finally:
            if service.process is not None:
                service.stop()
            assert "Traceback" not in service.log, service.log
            for token in (*github.world.issued, SECRET, app.private_key[40:80]):
                assert token not in service.log
