"""What git is given so that a remote lets it in: through its environment, never in an argument or a file."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping

from ekaci_core.api import HeldCredentials, PluginContext, Secret, UsageFault
from ekaci_forge_git.config import GitRemoteConfig, Remote

Variables = Mapping[str, str | Secret]


class Access:
    """Secrets of one remote."""

    def __init__(self, config: GitRemoteConfig, remote: Remote, source: HeldCredentials | None, where: str) -> None:
        """Take what is configured; `opened` does so."""
        self._config = config
        self._remote = remote
        self._source = source
        self._where = where

    @classmethod
    async def opened(cls, config: GitRemoteConfig, remote: Remote, context: PluginContext, where: str) -> Access:
        """Open the credentials, if there are any.

        Raises:
            UsageFault: they are of no use for this kind of address, or their source is wrong.
        """
        if config.credentials is None:
            return cls(config, remote, None, where)
        if remote.protocol != "https":
            do = "name a key with ssh_key, or write an https:// address"
            raise UsageFault("tokens and passwords are for https alone", where=f"{where}.credentials", do=do)
        return cls(config, remote, await context.credentials.open(config.credentials, purpose=where), where)

    async def variables(self) -> Variables:
        """Return the variables for a call that reaches the remote.

        Raises:
            UsageFault: the credentials hold neither a token nor a password.
            InfrastructureFault: their source cannot be reached.
        """
        if self._remote.protocol == "ssh":
            return {"GIT_SSH_COMMAND": self._ssh()}
        if self._source is None:
            return {}
        secrets = (await self._source.resolve()).secrets
        password = secrets.get("token") or secrets.get("password")
        if password is None:
            do = "let them hold token, or username and password"
            raise UsageFault("they hold neither token nor password", where=f"{self._where}.credentials", do=do)
        # Forges that take tokens take any name with them: https://git-scm.com/docs/gitcredentials
        name = secrets["username"].reveal() if "username" in secrets else "x-access-token"
        pair = base64.b64encode(f"{name}:{password.reveal()}".encode()).decode()
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self._remote.url}.extraHeader",
            "GIT_CONFIG_VALUE_0": Secret(f"Authorization: Basic {pair}"),
        }

    def _ssh(self) -> str:
        words = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=20"]
        if self._config.ssh_key is not None:
            words += ["-i", self._config.ssh_key, "-o", "IdentitiesOnly=yes"]
        if self._config.known_hosts is not None:
            words += ["-o", f"UserKnownHostsFile={self._config.known_hosts}"]
        return shlex.join(words)
