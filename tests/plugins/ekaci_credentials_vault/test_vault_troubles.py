"""A Vault that is sealed, gone, slow or somebody else; tokens that end; and addresses where none can be."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from typing import Any

import anyio
import attrs
import pytest
from tests.plugins.ekaci_credentials_vault.conftest import Vault, addressed, context
from tests.plugins.ekaci_credentials_vault.vault_stand_in import VaultStandIn, served

from ekaci_core.api import InfrastructureFault, UsageFault
from ekaci_core.api.context import conceal_nowhere
from ekaci_credentials_vault import session as blocking
from ekaci_credentials_vault.session import VaultSession
from ekaci_credentials_vault.settings import VaultSettings
from ekaci_credentials_vault.source import VaultType

pytestmark = pytest.mark.anyio

StandIn = tuple[VaultStandIn, Vault]


def session(vault: Vault, token: str, **settings: Any) -> VaultSession:
    given = attrs.evolve(VaultSettings(vault.address, f"{vault.two}/s3"), **settings)
    return VaultSession(given, {"VAULT_TOKEN": token}, addressed, conceal_nowhere)


def read(of: VaultSession) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in of.read().secrets.items()}


@pytest.fixture
def prepared(stand_in: StandIn) -> StandIn:
    stand_in[1].put("s3", {"KEY": "canary-one"})
    return stand_in


def test_a_sealed_vault_is_waited_for(prepared: StandIn) -> None:
    state, vault = prepared
    asked = session(vault, vault.token(f"{vault.two}/data/*"))
    assert read(asked) == {"KEY": "canary-one"}
    state.sealed = True
    with pytest.raises(InfrastructureFault, match="sealed") as raised:
        asked.read()
    assert "canary" not in f"{raised.value}{raised.value.__cause__!r}"
    state.sealed = False
    assert read(asked) == {"KEY": "canary-one"}


def test_one_that_is_gone_hangs_or_is_something_else(prepared: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    state, vault = prepared
    token = vault.token(f"{vault.two}/data/*")
    state.garbage = True
    with pytest.raises(InfrastructureFault, match="not Vault's"):
        session(vault, token).read()
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        monkeypatch.setattr(blocking, "TIMEOUT_SECONDS", 1)
        with pytest.raises(InfrastructureFault, match="no answer in time"):
            session(vault, token, address=address).read()
    with pytest.raises(InfrastructureFault, match="cannot be reached"):
        session(vault, token, address=address).read()


def test_a_redirection_is_not_followed_with_the_token(prepared: StandIn) -> None:
    state, vault = prepared
    other = VaultStandIn()
    with served(other) as elsewhere:
        state.redirect = elsewhere
        with pytest.raises(InfrastructureFault, match="not Vault's"):
            session(vault, vault.admin.token).read()
    assert other.requests == []


def test_a_namespace_goes_along(prepared: StandIn) -> None:
    state, vault = prepared
    read(session(vault, vault.token(f"{vault.two}/data/*"), namespace="production"))
    assert set(state.namespaces[-3:]) == {"production"}


def test_a_token_is_renewed_when_half_of_its_time_has_gone(prepared: StandIn) -> None:
    state, vault = prepared
    token = vault.token(f"{vault.two}/data/*", period="100s")
    asked = session(vault, token)
    assert asked.pause() is None
    asked.read()
    pause = asked.pause()
    assert pause is not None
    assert 45 < pause <= 50
    state.tokens[token].ends = time.time() + 20
    asked.prolong()
    ends = state.tokens[token].ends
    assert ends is not None
    assert ends > time.time() + 90


def test_a_token_that_cannot_be_renewed_is_got_anew(prepared: StandIn) -> None:
    state, vault = prepared
    mount = vault.method("approle")
    role = vault.admin.auth.approle
    role.create_or_update_approle("ci", token_policies=[vault.policy(f"{vault.two}/data/*")], mount_point=mount)
    role_id = role.read_role_id("ci", mount_point=mount)["data"]["role_id"]
    secret_id = role.generate_secret_id("ci", mount_point=mount)["data"]["secret_id"]
    settings = VaultSettings(vault.address, f"{vault.two}/s3", auth="approle", auth_mount=mount, role_id=role_id)
    asked = VaultSession(settings, {"VAULT_SECRET_ID": secret_id}, addressed, conceal_nowhere)
    asked.read()
    before = set(state.tokens)
    asked.prolong()
    assert set(state.tokens) == before
    for token in state.tokens.values():
        token.renewable = "root" in token.policies
    asked.prolong()
    assert len(state.tokens) == len(before) + 1
    for token in state.tokens.values():
        if "root" not in token.policies:
            token.ends = 0.0
    assert read(asked) == {"KEY": "canary-one"}
    state.secret_ids.clear()
    for token in state.tokens.values():
        token.renewable = False
    with pytest.raises(UsageFault, match="log in"):
        asked.prolong()


def test_tokens_and_what_they_are_got_with_are_told_to_the_core(prepared: StandIn) -> None:
    state, vault = prepared
    concealed: list[str] = []
    mount = vault.method("approle")
    role = vault.admin.auth.approle
    role.create_or_update_approle("ci", token_policies=[vault.policy(f"{vault.two}/data/*")], mount_point=mount)
    role_id = role.read_role_id("ci", mount_point=mount)["data"]["role_id"]
    secret_id = role.generate_secret_id("ci", mount_point=mount)["data"]["secret_id"]
    settings = VaultSettings(vault.address, f"{vault.two}/s3", auth="approle", auth_mount=mount, role_id=role_id)
    before = set(state.tokens)
    given = {"VAULT_SECRET_ID": secret_id}
    read(VaultSession(settings, given, addressed, lambda secret: concealed.append(secret.reveal())))
    assert concealed == [secret_id, *(state.tokens.keys() - before)]


def test_a_root_token_and_one_that_may_not_ask_about_itself_are_never_renewed(prepared: StandIn) -> None:
    _, vault = prepared
    asked = session(vault, vault.admin.token)
    asked.read()
    assert asked.pause() is None
    asked.prolong()


async def test_the_token_is_kept_alive_in_the_background(prepared: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    state, vault = prepared
    monkeypatch.setattr(blocking, "_SHORTEST_SECONDS", 0.05)
    token = vault.token(f"{vault.two}/data/*", period="1s")
    settings = VaultSettings(vault.address, f"{vault.two}/s3")
    async with VaultType().open(settings, context(VAULT_TOKEN=token)) as source:
        await source.resolve()
        with anyio.fail_after(20):
            while not any("renew-self" in each for each in state.requests):  # noqa: ASYNC110 - of another thread
                await anyio.sleep(0.05)


async def test_a_secret_that_ends_says_when(prepared: StandIn) -> None:
    _, vault = prepared
    ends = {"lasts": 600}
    vault.admin.adapter.post(f"/v1/{vault.two}/data/s3", json={"data": {"KEY": "canary"}, "options": ends})
    async with VaultType().open(
        VaultSettings(vault.address, f"{vault.two}/s3"), context(VAULT_TOKEN=vault.admin.token)
    ) as source:
        lease = await source.resolve()
    assert lease.expires_at is not None
    assert time.time() + 500 < lease.expires_at < time.time() + 700


@pytest.mark.parametrize(
    "leads_to", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200"]
)
async def test_a_name_that_turns_into_a_metadata_service_is_not_connected_to(prepared: StandIn, leads_to: str) -> None:
    """The first answer of the resolver is good; whoever owns the name gives another the next time."""
    state, vault = prepared
    port = vault.address.rpartition(":")[2]
    leads = ["127.0.0.1"]
    asked: list[str] = []

    async def rebinding(name: str, _: int) -> Sequence[str]:
        asked.append(name)
        return tuple(leads)

    given = context(rebinding, VAULT_TOKEN=vault.token(f"{vault.two}/data/*"))
    settings = VaultSettings(f"http://vault.example.org:{port}", f"{vault.two}/s3")
    async with VaultType().open(settings, given) as source:
        assert (await source.resolve()).secrets["KEY"].reveal() == "canary-one"
        heard = len(state.requests)
        assert heard > 0
        for leads[:] in ([leads_to], ["127.0.0.1", leads_to]):
            with pytest.raises(UsageFault, match=f"leads to {leads_to}") as raised:
                await source.resolve()
            assert raised.value.where == f"vault: http://vault.example.org:{port}"
            assert raised.value.do
    assert len(state.requests) == heard
    assert set(asked) == {"vault.example.org"}


async def test_a_name_that_does_not_resolve_is_waited_for(prepared: StandIn) -> None:
    async def nothing(_: str, __: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    settings = VaultSettings("http://vault.example.org", f"{prepared[1].two}/s3")
    async with VaultType().open(settings, context(nothing, VAULT_TOKEN="t")) as source:  # noqa: S106 - no token
        with pytest.raises(InfrastructureFault, match="does not resolve: Name or service not known"):
            await source.resolve()


def test_the_next_address_is_tried_where_one_does_not_answer(prepared: StandIn) -> None:
    _, vault = prepared
    settings = VaultSettings(vault.address.replace("127.0.0.1", "vault.example.org"), f"{vault.two}/s3")
    token = vault.token(f"{vault.two}/data/*")
    leads: list[str] = []
    for leads[:] in (["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"]):
        asked = VaultSession(settings, {"VAULT_TOKEN": token}, lambda _, __: leads, conceal_nowhere)
        assert read(asked) == {"KEY": "canary-one"}
    nobody = VaultSession(settings, {"VAULT_TOKEN": token}, lambda _, __: ("127.0.0.2",), conceal_nowhere)
    with pytest.raises(InfrastructureFault, match="cannot be reached"):
        nobody.read()
