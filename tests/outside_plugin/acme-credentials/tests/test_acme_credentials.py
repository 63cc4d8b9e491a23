"""The contract of credential sources."""

import os
from pathlib import Path

import pytest
from acme_credentials.plugin import AcmeSettings, AcmeType

from ekaci_core.testing.builders import plugin_context
from ekaci_core.testing.credentials import CredentialConformance, CredentialLaboratory

pytestmark = pytest.mark.anyio


class TestAcme(CredentialConformance):
    @pytest.fixture
    def laboratory(self, tmp_path: Path) -> CredentialLaboratory:
        secrets = {"USER": "canary-user", "TOKEN": "canary-token"}
        (tmp_path / "secrets").write_text("\n".join(f"{name}={value}" for name, value in secrets.items()))
        context = plugin_context({"PATH": os.environ["PATH"]})
        good = AcmeType().open(AcmeSettings(("cat", str(tmp_path / "secrets"))), context)
        bad = AcmeType().open(AcmeSettings(("cat", str(tmp_path / "others"))), context)
        return CredentialLaboratory(good, secrets, bad, hints=("cat", "status 1"))
