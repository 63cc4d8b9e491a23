"""The environment of Nix's programs, made from that of the person who asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_KEPT: Final = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "TMPDIR",
        "TZ",
        "TZDIR",
        "LOCALE_ARCHIVE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "CURL_CA_BUNDLE",
        "SSH_AUTH_SOCK",
        "NETRC",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "http_proxy",
        "https_proxy",
        "ftp_proxy",
        "all_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "FTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
    }
)
_KEPT_FAMILIES: Final = ("NIX_", "XDG_", "GC_")

# Of Nix's family, what a build environment leaves behind (a review may run in `nix-shell`) and what makes the programs
# print something else.
_DROPPED: Final = frozenset(
    {
        "NIX_BUILD_TOP",
        "NIX_BUILD_CORES",
        "NIX_CFLAGS_COMPILE",
        "NIX_LDFLAGS",
        "NIX_STORE",
        "NIX_ENFORCE_PURITY",
        "NIX_HARDENING_ENABLE",
        "NIX_LOG_FD",
        "NIX_ATTRS_JSON_FILE",
        "NIX_ATTRS_SH_FILE",
        "NIX_GET_COMPLETIONS",
        "NIX_SHOW_STATS",
        "NIX_COUNT_CALLS",
        "NIX_PAGER",
    }
)

NIX_LINES: Final = (
    # `extra-` leaves what the machine and the person have enabled.
    "extra-experimental-features = nix-command flakes",
    # A flake's own `nixConfig` would give whoever wrote the change power over this machine, whatever the person's
    # nix.conf says.
    "accept-flake-config = false",
)
"""Lines of ``nix.conf`` that hold for every call; those of `nix_environment`'s caller come after them."""


def nix_environment(
    surroundings: Mapping[str, str], *, lines: Iterable[str] = (), keep: Iterable[str] = ()
) -> dict[str, str]:
    """Make the environment for programs of Nix.

    Kept is what finds the programs, the person's configuration, the store, certificates and the network. What may
    change an evaluation by accident goes (``NIXPKGS_ALLOW_UNFREE`` and the like), unless ``keep`` names it. Nothing
    may ask questions: there is nobody to answer.

    Args:
        surroundings: the environment of this process.
        lines: further lines of ``nix.conf``; later lines win over earlier ones and over the files.
        keep: names of variables to pass on although they are not Nix's.
    """
    wanted = _KEPT.union(keep)
    kept = {
        name: value
        for name, value in surroundings.items()
        if name in wanted or (name.startswith(_KEPT_FAMILIES) and name not in _DROPPED)
    }
    return (
        {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
        | kept
        | {
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
            "NO_COLOR": "1",
            "PAGER": "cat",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "NIX_CONFIG": "\n".join([*filter(None, [surroundings.get("NIX_CONFIG")]), *NIX_LINES, *lines]),
        }
    )
