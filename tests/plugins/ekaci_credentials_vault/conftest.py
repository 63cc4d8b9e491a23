"""A Vault to read from: one that answers as it does, or the one at ``EKACI_TEST_VAULT_ADDR``.

For a real one, ``EKACI_TEST_VAULT_TOKEN`` is a token that may do everything; what is made there has names of its own,
and stays.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import attrs
import hvac
import pytest
from tests.plugins.ekaci_credentials_vault.vault_stand_in import ROOT, VaultStandIn, served

from ekaci_core.api import PluginContext
from ekaci_core.builtin.addresses import CheckedAddresses, Resolver, resolve_by_system
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.testing.builders import RealClock, SilentLogger

REAL = os.environ.get("EKACI_TEST_VAULT_ADDR")
REAL_TOKEN = os.environ.get("EKACI_TEST_VAULT_TOKEN", "")  # read here: tests are shown no such variable


def addressed(host: str, _: int) -> tuple[str, ...]:
    """Resolve what is an address already."""
    return (host,)


def context(resolver: Resolver = resolve_by_system, **environment: str) -> PluginContext:
    return PluginContext(
        clock=RealClock(),
        log=SilentLogger(),
        environment=environment,
        nix=NixCommands({}),
        addresses=CheckedAddresses(resolver=resolver),
    )


@attrs.frozen
class Vault:
    """A Vault with one engine of each version, and who may administer it."""

    address: str
    admin: hvac.Client
    one: str
    two: str

    def put(self, path: str, secrets: dict[str, Any], *, mount: str | None = None) -> None:
        self.admin.secrets.kv.v2.create_or_update_secret(path, secrets, mount_point=mount or self.two)

    def put_one(self, path: str, secrets: dict[str, Any]) -> None:
        self.admin.secrets.kv.v1.create_or_update_secret(path, secrets, mount_point=self.one)

    def policy(self, *paths: str) -> str:
        name = f"ekaci-{uuid.uuid4().hex[:8]}"
        rules = "\n".join(f'path "{path}" {{ capabilities = ["read"] }}' for path in paths)
        self.admin.sys.create_or_update_acl_policy(name, rules)
        return name

    def token(self, *paths: str, **how: Any) -> str:
        answer = self.admin.auth.token.create(policies=[self.policy(*paths)], **how)
        return str(answer["auth"]["client_token"])

    def method(self, kind: str) -> str:
        mount = f"{kind}-{uuid.uuid4().hex[:8]}"
        self.admin.sys.enable_auth_method(kind, path=mount)
        return mount


@pytest.fixture
def stand_in() -> Iterator[tuple[VaultStandIn, Vault]]:
    """One that misbehaves when it is told to."""
    state = VaultStandIn()
    with served(state) as address:
        yield state, _prepared(address, ROOT)


@pytest.fixture
def vault() -> Iterator[Vault]:
    if REAL:
        yield _prepared(REAL, REAL_TOKEN)
    else:
        with served(VaultStandIn()) as address:
            yield _prepared(address, ROOT)


def _prepared(address: str, token: str) -> Vault:
    admin = hvac.Client(address, token)
    unique = uuid.uuid4().hex[:8]
    one, two = f"kv-one-{unique}", f"team/kv-two-{unique}"
    admin.sys.enable_secrets_engine("kv", path=one, options={"version": "1"})
    admin.sys.enable_secrets_engine("kv", path=two, options={"version": "2"})
    return Vault(address, admin, one, two)
