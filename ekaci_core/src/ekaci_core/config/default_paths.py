"""Where the server keeps what it keeps unless it is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def data_home(environment: Mapping[str, str]) -> Path | None:
    """Find ``$XDG_DATA_HOME/ekaci``; None where neither that nor ``HOME`` says where."""
    folder = environment.get("XDG_DATA_HOME", "")
    if not folder.startswith("/"):  # the specification: a relative path is invalid and to be ignored
        home = environment.get("HOME", "")
        folder = f"{home}/.local/share" if home.startswith("/") else ""
    return Path(folder, "ekaci") if folder else None


SERVICE_SOCKET = Path("/run/eka-ci/ekaci.socket")
"""Where the server of the NixOS module listens."""


def client_socket_places(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where a client looks for a server if nothing names its socket, the most likely place first."""
    named = environment.get("EKA_CI_UNIX__SOCKET_PATH", "")
    return (Path(named),) if named else (*socket_places(environment), SERVICE_SOCKET)


def socket_places(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Where the server's socket may be if nothing says: the server takes the first, a client tries them all."""
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    data = data_home(environment)
    names = ("ekaci.socket", "ekaci/ekaci.socket", "ekaci.sock") if runtime.startswith("/") else ()
    places = [Path(runtime, name) for name in names]
    return (*places, *([data / "ekaci.socket"] if data is not None else []))
