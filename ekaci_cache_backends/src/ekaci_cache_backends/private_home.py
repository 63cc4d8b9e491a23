"""Where a cache's own program runs: a home that is nobody else's, and next to nothing of the server's environment."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from ekaci_core.api import InfrastructureFault

PATH: Final = "/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/local/bin:/usr/bin:/bin"
"""Where programs are looked for when the server has no PATH itself."""

# Certificates, proxies, and how to reach Nix's store. Nothing of these is a secret of the server.
_PASSED: Final = frozenset(
    {
        *("NIX_CONFIG", "NIX_CONF_DIR", "NIX_DAEMON_SOCKET_PATH", "NIX_REMOTE", "NIX_STATE_DIR", "NIX_STORE_DIR"),
        *("NIX_SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CERT_FILE", "SYSTEM_CERTIFICATE_PATH"),
        *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "TMPDIR"),
    }
)
_HOMES: Final = {
    "HOME": "",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_STATE_HOME": "state",
}


@attrs.frozen
class Home:
    """A folder that only this user enters, and what a program in it gets to see."""

    folder: Path
    environment: Mapping[str, str]

    def write(self, name: str, text: str) -> None:
        """Write a file that nobody else reads, at a path below the folder."""
        file = self.folder / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)


@contextmanager
def private_home(environment: Mapping[str, str]) -> Iterator[Home]:
    """Make a home, and remove it with all that the program left there.

    Args:
        environment: of the server's child processes.

    Raises:
        InfrastructureFault: it cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="ekaci-cache-", dir=environment.get("TMPDIR") or None))  # mode 0700
    except OSError as error:
        raise InfrastructureFault(
            f"no private folder can be made: {error.strerror}",
            where=environment.get("TMPDIR") or tempfile.gettempdir(),
            do="see that there is space, and that the server may write there",
        ) from None
    try:
        passed = {name: value for name, value in environment.items() if name in _PASSED}
        # Programs that print more than ASCII die in the C locale.
        plain = {"PATH": search_path(environment), "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}
        yield Home(folder, {**passed, **plain, **{name: str(folder / below) for name, below in _HOMES.items()}})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def search_path(environment: Mapping[str, str]) -> str:
    """Return where programs are looked for."""
    return environment.get("PATH") or PATH


def find_program(program: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of a program, None where there is none."""
    return shutil.which(program, path=search_path(environment))
