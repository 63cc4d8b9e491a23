"""The contract of a forge, as tests.

Inherit it, and give it a laboratory: your forge, open, at a server that you control::

    class TestMine(ForgeConformance):
        @pytest.fixture
        async def laboratory(self, forge_log, tmp_path):
            with my_stand_in(tmp_path) as server:
                context = forge_context(forge_log, credentials)
                async with MyType().open(MyConfig(...), context) as forge:
                    yield MyLaboratory(forge, server)

The server should be real HTTP on loopback. Set a flag of the class to False for what the forge says that it cannot do.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator

import pytest

from ekaci_core.api import CredentialResolver, PluginContext
from ekaci_core.builtin.nix_programs import NixCommands
from ekaci_core.testing.builders import RealClock
from ekaci_core.testing.forge_checks import CheckConformance
from ekaci_core.testing.forge_comments import CommentConformance
from ekaci_core.testing.forge_laboratory import ForgeLaboratory, RecordingLogger
from ekaci_core.testing.forge_questions import QuestionConformance, secret_forms
from ekaci_core.testing.forge_troubles import TroubleConformance
from ekaci_core.testing.forge_webhooks import WebhookConformance


def forge_context(log: RecordingLogger, credentials: CredentialResolver) -> PluginContext:
    """Return a context with the real time, a log that is looked through for secrets, and these credentials."""
    environment = dict(os.environ)
    nix = NixCommands(environment)
    return PluginContext(clock=RealClock(), log=log, environment=environment, nix=nix, credentials=credentials)


class ForgeConformance(
    TroubleConformance, WebhookConformance, QuestionConformance, CheckConformance, CommentConformance
):
    """What every forge does."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def forge_log(self) -> RecordingLogger:
        """The log that the forge is to be opened with."""
        return RecordingLogger()

    @pytest.fixture
    async def laboratory(self) -> ForgeLaboratory:
        """An open forge and its server."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    async def _no_secret_is_seen(
        self, laboratory: ForgeLaboratory, forge_log: RecordingLogger, caplog: pytest.LogCaptureFixture
    ) -> AsyncIterator[None]:
        self.said: list[str] = []
        caplog.set_level(logging.DEBUG)
        yield
        places = {
            "its log": "\n".join(forge_log.lines),
            "the log of a library": "\n".join(f"{each.getMessage()} {each.exc_text or ''}" for each in caplog.records),
            "a fault": "\n".join(self.said),
            "what it prints as": f"{laboratory.forge!r} {laboratory.forge}",
        }
        secrets = laboratory.secrets()
        assert secrets, "the laboratory must name the secrets"
        for place, text in places.items():
            for secret in secrets:
                assert not any(form in text for form in secret_forms(secret)), f"a secret is seen in {place}"
