"""What every test stands on: one event loop, a private home, and a policy for tests that need Nix."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from ekaci_core.telemetry import REDACTOR

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# Evaluations and builds in tests use the machine's store but neither its users nor the network.
NIX_LINES = ("substituters =", "experimental-features = nix-command flakes")
NIX_LINES_OF_ROOT = ("build-users-group =", "sandbox = false")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asyncio is the only loop that the program runs on."""
    return "asyncio"


def private_directories(root: Path) -> dict[str, str]:
    """Make a home below ``root`` and return the variables that point at it."""
    names = {
        "HOME": "home",
        "XDG_CACHE_HOME": "home/.cache",
        "XDG_CONFIG_HOME": "home/.config",
        "XDG_DATA_HOME": "home/.local/share",
        "XDG_STATE_HOME": "home/.local/state",
    }
    for folder in names.values():
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "home/.gitconfig").write_text(
        "[user]\n\tname = Test\n\temail = test@example.org\n"
        "[init]\n\tdefaultBranch = main\n"
        "[commit]\n\tgpgSign = false\n"
        "[gc]\n\tauto = 0\n",
    )
    return {name: str(root / folder) for name, folder in names.items()}


def isolate(patch: pytest.MonkeyPatch, root: Path) -> None:
    """Point the process at a private home and forget what the machine says about git and terminals."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "XDG_", "EKACI_")) and name != "EKACI_REQUIRE_NIX":
            patch.delenv(name)
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE", "PAGER", "EDITOR"):
        patch.delenv(name, raising=False)
    for name, value in private_directories(root).items():
        patch.setenv(name, value)
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.setenv("LC_ALL", "C.UTF-8")
    patch.setenv("TERM", "dumb")


@pytest.fixture(scope="session", autouse=True)
def _isolated_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("session"))
        yield


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    isolate(monkeypatch, tmp_path_factory.mktemp("private"))


@pytest.fixture(autouse=True)
def _nothing_to_mask() -> Iterator[None]:
    """What a test told the masks of this process is forgotten: with any, logs hold back words that have not ended."""
    yield
    REDACTOR.__init__()  # type: ignore[misc]


def require_nix() -> None:
    """Skip where Nix is missing; fail where it was promised."""
    if shutil.which("nix") and shutil.which("nix-store"):
        return
    reason = "needs Nix: no `nix` and `nix-store` on PATH"
    if os.environ.get("EKACI_REQUIRE_NIX", "") not in ("", "0"):
        pytest.fail(f"{reason}, and EKACI_REQUIRE_NIX is set", pytrace=False)
    pytest.skip(reason)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Keep the policy of the ``nix`` marker."""
    if item.get_closest_marker("nix"):
        require_nix()


@pytest.fixture(scope="session")
def nix_environment(tmp_path_factory: pytest.TempPathFactory, _isolated_session: None) -> dict[str, str]:
    """The whole environment for a program that runs Nix: a private home, no substituters, flakes on."""
    require_nix()
    lines = list(NIX_LINES)
    if os.geteuid() == 0:
        lines += NIX_LINES_OF_ROOT
    given = os.environ.get("NIX_CONFIG", "")
    environment = dict(os.environ)
    environment.pop("NIX_PATH", None)
    environment |= private_directories(tmp_path_factory.mktemp("nix"))
    environment["NIX_CONFIG"] = "\n".join([*filter(None, [given]), *lines])
    return environment
