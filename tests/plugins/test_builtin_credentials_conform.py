"""The core's own credential sources, by the contract; and sources that break it, which the contract finds out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from ekaci_core.api import CredentialSource, InfrastructureFault, Lease, PluginContext, Secret
from ekaci_core.builtin.credentials import CachixTokenType, EnvType, FileType, GithubAppKeyFileType
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.config.credential_sources import (
    CachixTokenSettings,
    EnvSettings,
    FileSettings,
    GithubAppKeyFileSettings,
)
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.credentials import CredentialConformance, CredentialLaboratory

pytestmark = pytest.mark.anyio


def context(**environment: str) -> PluginContext:
    return PluginContext(clock=RealClock(), log=SilentLogger(), environment=environment, nix=NixCommands({}))


class TestEnv(CredentialConformance):
    @pytest.fixture
    def laboratory(self) -> CredentialLaboratory:
        kind, settings = EnvType(), EnvSettings(("API", "OTHER"))
        secrets = {"API": "canary-one", "OTHER": "canary-two"}
        good, bad = kind.open(settings, context(**secrets)), kind.open(settings, context(API="canary-one"))
        return CredentialLaboratory(good, secrets, bad, ("OTHER", "env"))


class TestFile(CredentialConformance):
    @pytest.fixture
    def laboratory(self, tmp_path: Path) -> CredentialLaboratory:
        good, bad = tmp_path / "good", tmp_path / "bad"
        for path in (good, bad):
            path.write_text("TOKEN=canary-one\n")
        good.chmod(0o600)
        bad.chmod(0o644)
        kind = FileType()
        return CredentialLaboratory(
            kind.open(FileSettings(good), context()),
            {"TOKEN": "canary-one"},
            kind.open(FileSettings(bad), context()),
            ("0644", "chmod", str(bad)),
        )


class TestCachixToken(CredentialConformance):
    @pytest.fixture
    def laboratory(self) -> CredentialLaboratory:
        kind, settings = CachixTokenType(), CachixTokenSettings("MINE")
        good, bad = kind.open(settings, context(MINE="canary-one")), kind.open(settings, context())
        return CredentialLaboratory(good, {"CACHIX_AUTH_TOKEN": "canary-one"}, bad, ("MINE",))


class TestGithubAppKeyFile(CredentialConformance):
    @pytest.fixture
    def laboratory(self, tmp_path: Path) -> CredentialLaboratory:
        key = tmp_path / "key.pem"
        key.write_text("canary-key")
        key.chmod(0o600)
        kind = GithubAppKeyFileType()
        return CredentialLaboratory(
            kind.open(GithubAppKeyFileSettings("APP", key), context(APP="canary-123")),
            {"GITHUB_APP_ID": "canary-123", "GITHUB_APP_PRIVATE_KEY": "canary-key"},
            kind.open(GithubAppKeyFileSettings("APP", tmp_path / "none"), context(APP="canary-123")),
            ("none", "github-app-key-file"),
        )


SECRETS = {"TOKEN": "canary-one"}


class Right:
    """A source that does everything right; the wrong ones differ in one thing."""

    async def resolve(self) -> Lease:
        return Lease({name: Secret(value) for name, value in SECRETS.items()})


class Plain(Right):
    async def resolve(self) -> Lease:
        return Lease(SECRETS)  # type: ignore[arg-type]


class Renamed(Right):
    async def resolve(self) -> Lease:
        return Lease({"ANOTHER": Secret("canary-one")})


class Shouting(Right):
    def __repr__(self) -> str:
        return f"Shouting({SECRETS})"


class Once(Right):
    def __init__(self) -> None:
        self.asked = 0

    async def resolve(self) -> Lease:
        self.asked += 1
        return await super().resolve() if self.asked == 1 else Lease({})


class Over(Right):
    async def resolve(self) -> Lease:
        return Lease((await super().resolve()).secrets, expires_at=-1.0)


class Mapping_(Right):  # noqa: N801 - it says what it returns
    async def resolve(self) -> Lease:
        return SECRETS  # type: ignore[return-value]


class Fragile(Right):
    """Is broken for good once a caller has gone away."""

    def __init__(self) -> None:
        self.broken = False

    async def resolve(self) -> Lease:
        if self.broken:
            await asyncio.Event().wait()
        self.broken = True
        await asyncio.sleep(0)
        self.broken = False
        return await super().resolve()


@attrs.frozen
class Failing:
    """Fails in a given way."""

    error: Callable[[], BaseException]

    async def resolve(self) -> Lease:
        raise self.error()


def right_fault() -> BaseException:
    return InfrastructureFault("the vault is shut", where="vault", do="open it")


WRONG: list[tuple[str, Callable[[], Any], Callable[[], BaseException]]] = [
    ("values that are no secrets", Plain, right_fault),
    ("other names", Renamed, right_fault),
    ("a representation that tells", Shouting, right_fault),
    ("only the first time", Once, right_fault),
    ("a lease that has ended", Over, right_fault),
    ("no lease at all", Mapping_, right_fault),
    ("broken by a caller who goes away", Fragile, right_fault),
    ("an error of its own", Right, lambda: RuntimeError("boom")),
    ("a fault that shows the secret", Right, lambda: InfrastructureFault("canary-one is bad", where="v", do="mend")),
    ("a fault without a place", Right, lambda: InfrastructureFault("the vault is shut", do="open it")),
    ("a fault without advice", Right, lambda: InfrastructureFault("the vault is shut", where="vault")),
    ("a fault that names nothing", Right, lambda: InfrastructureFault("no", where="x", do="y")),
]


@asynccontextmanager
async def opened(source: CredentialSource) -> AsyncIterator[CredentialSource]:
    yield source


CASES = [name for name in vars(CredentialConformance) if name.startswith("test_")]


async def broken_rules(make: Callable[[], Any], error: Callable[[], BaseException]) -> list[str]:
    found = []
    for name in CASES:
        laboratory = CredentialLaboratory(opened(make()), SECRETS, opened(Failing(error)), ("vault",))
        try:
            with anyio.fail_after(1):
                await getattr(CredentialConformance(), name)(laboratory)
        except (AssertionError, Exception, BaseExceptionGroup, pytest.fail.Exception):  # noqa: BLE001 - any will do
            found.append(name)
    return found


async def test_a_right_source_passes() -> None:
    assert await broken_rules(Right, right_fault) == []


@pytest.mark.parametrize(("what", "make", "error"), WRONG, ids=[each[0] for each in WRONG])
async def test_a_wrong_source_is_found_out(
    what: str, make: Callable[[], Any], error: Callable[[], BaseException]
) -> None:
    assert await broken_rules(make, error), what
