"""What the server's resolver opens is renewed, told of, and masked in every log."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ekaci_core.api import CredentialUse, PluginContext, Secret, UsageFault
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.config.hiding import config_secrets
from ekaci_core.config.load import server_config, server_converter
from ekaci_core.config.machine_file import parse_machine_file
from ekaci_core.logs import BuildLog
from ekaci_core.registry import Instances, load_registry
from ekaci_core.server.clock import SystemClock
from ekaci_core.server.configuring import shapes_of
from ekaci_core.server.credentials import Credentials
from ekaci_core.telemetry import LOG, REDACTOR, configure_logs

pytestmark = pytest.mark.anyio

ENVIRONMENT = {"TOKEN": "canary-of-the-environment", "AWS_REGION": "eu-north-1"}


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    found = io.StringIO()
    configure_logs(found, level=logging.INFO)
    yield found
    LOG.configure(io.StringIO(), logging.CRITICAL)
    for owner in ("first", "second"):
        for number in range(4):
            REDACTOR.learn(owner, [Secret(str(number))])  # so many that the canaries are forgotten


def credentials_in(instances: Instances, environment: Mapping[str, str]) -> Credentials:
    registry = load_registry(environment, LOG)
    return Credentials(registry, instances, server_converter(shapes_of(registry)), SystemClock(), LOG)


async def test_what_is_opened_is_masked_told_of_and_read_again(stream: io.StringIO, tmp_path: Path) -> None:
    registry = load_registry(ENVIRONMENT, LOG)
    context = PluginContext(clock=SystemClock(), log=LOG, environment=ENVIRONMENT, nix=NixCommands({}))
    file = tmp_path / "secrets"
    file.write_text("KEY=canary-one-of-the-file")
    file.chmod(0o600)
    async with Instances(registry, context) as instances:
        credentials = credentials_in(instances, ENVIRONMENT)
        async with credentials.kept():
            first = await credentials.open(CredentialUse("env", {"vars": ["TOKEN", "AWS_REGION"]}), purpose="first")
            second = await credentials.open(CredentialUse("file", {"path": str(file)}), purpose="second")
            await first.resolve()
            await second.resolve()
            file.write_text("KEY=canary-two-of-the-file")
            await credentials.reload()
            assert (await second.resolve()).secrets["KEY"].reveal() == "canary-two-of-the-file"
            file.write_text("canary without a name")
            one, two = await credentials.reload()
            assert (one.purpose, one.names, one.fault) == ("first", ("AWS_REGION", "TOKEN"), None)
            assert (two.names, two.holds) == (("KEY",), True)
            assert "line 1 is not KEY=VALUE" in str(two.fault)
            assert [each.purpose for each in credentials.standing()] == ["first", "second"]
            with pytest.raises(UsageFault, match="vars"):
                await credentials.open(CredentialUse("env", {"vars": []}), purpose="third")
        with BuildLog(tmp_path / "log") as log:
            for canary in ("environment", "one-of-the-file", "two-of-the-file"):
                LOG.info("said", what=f"in {ENVIRONMENT['AWS_REGION']}: canary-{canary} canary-of-the-environment")
                log.write(f"KEY=canary-{canary} canary-of-the-environment\n".encode())
    for text in (stream.getvalue(), (tmp_path / "log").read_text()):
        assert "canary-of" not in text
        assert "-of-the-file" not in text
    assert "eu-north-1" in stream.getvalue()
    assert "credentials_not_renewed" in stream.getvalue()


def test_secrets_of_the_configuration_itself_are_found_at_any_depth() -> None:
    text = """
[security]
webhook_secret = "canary-webhook-secret"
[oauth]
client_id = "id"
client_secret = "canary-client"
jwt_secret = "canary-jwt-of-thirty-two-characters"
[[gitlab_instances]]
id = "one"
domain = "gitlab.example.org"
token = "canary-token"
"""
    config = server_config(parse_machine_file(text, "page"), {"HOME": "/home/ci"})
    found = {secret.reveal() for secret in config_secrets(config)}
    assert found == {
        "canary-webhook-secret",
        "canary-client",
        "canary-jwt-of-thirty-two-characters",
        "canary-token",
    }
