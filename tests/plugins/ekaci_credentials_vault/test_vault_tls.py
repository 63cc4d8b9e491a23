"""Vault behind certificates of one's own."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from tests.plugins.ekaci_credentials_vault.conftest import context
from tests.plugins.ekaci_credentials_vault.vault_stand_in import ROOT, VaultStandIn, served
from tests.standins.certificates import certificate

from ekaci_core.api import EkaciError
from ekaci_credentials_vault.settings import VaultSettings
from ekaci_credentials_vault.source import VaultType

pytestmark = pytest.mark.anyio


async def test_a_certificate_is_believed_where_its_authority_is_named_and_nowhere_else(tmp_path: Path) -> None:
    public, both = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    vault = VaultStandIn()
    vault.kept["secret", "eka-ci/app"] = {"data": {"TOKEN": "canary-of-vault"}}
    with served(vault, tls) as address:
        named = VaultSettings(address, "secret/data/eka-ci/app", ca_file=public)
        async with VaultType().open(named, context(VAULT_TOKEN=ROOT)) as source:
            lease = await source.resolve()
        asked = len(vault.requests)
        async with VaultType().open(VaultSettings(address, "eka-ci/app"), context(VAULT_TOKEN=ROOT)) as source:
            with pytest.raises(EkaciError, match="certificate") as refused:
                await source.resolve()
    assert lease.secrets["TOKEN"].reveal() == "canary-of-vault"
    assert "ca_file" in f"{refused.value} {refused.value.do}"
    assert len(vault.requests) == asked, "nobody is told the token before he has shown who he is"
