"""What a hook is told of a build. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.ids import StorePath
from ekaci_core.model.secret import Secret
from ekaci_core.process.sandbox import sandbox_path
from ekaci_core.store.hook_execution import HookExecution

SANDBOX_HOME: Final = "/home/hook"
SANDBOX_TMP: Final = "/tmp"  # noqa: S108 - a private one
SANDBOX_NIX: Final = "/build/nix"
SANDBOX_LOG: Final = "/build/build.log"

# Where Nix and programs find certificates, as far as the server was told.
_CERTIFICATES: Final = ("NIX_SSL_CERT_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "LOCALE_ARCHIVE")
_OF_NIX: Final = ("NIX_REMOTE", "NIX_CONF_DIR", "NIX_USER_CONF_FILES")
# Nothing is fetched from elsewhere on the way: what is not there, is not there.
_NIX_CONFIG: Final = "extra-experimental-features = nix-command flakes\nsubstituters =\nbuild-users-group ="


def hook_variables(
    execution: HookExecution, record: DerivationRecord, outputs: Sequence[StorePath], log: str
) -> dict[str, str]:
    """Return the variables that every hook has; ``log`` is where it can read the build's log."""
    return {
        "DRV_PATH": execution.drv,
        "OUT_PATHS": " ".join(outputs),
        "EKA_JOB_NAME": execution.job,
        "EKA_IS_FOD": "true" if record.is_fixed_output else "false",
        "EKA_SYSTEM": record.system,
        "EKA_PNAME": record.pname or "",
        "EKA_BUILD_LOG_PATH": log,
        "EKA_COMMIT_SHA": execution.sha,
        "EKA_REPO": execution.repository.path,
        "EKA_BRANCH": execution.branch,
    }


def sandboxed_surroundings(server: Mapping[str, str]) -> dict[str, str]:
    """Return what a hook in a sandbox has besides; ``server`` is the environment of the server's own programs."""
    return {
        **{name: server[name] for name in _CERTIFICATES if name in server},
        "PATH": sandbox_path(server.get("PATH", "")),
        "HOME": SANDBOX_HOME,
        "TMPDIR": SANDBOX_TMP,
        "USER": "hook",
        "LC_ALL": "C.UTF-8",
        "NIX_STATE_DIR": SANDBOX_NIX,
        "NIX_CONFIG": _NIX_CONFIG,
    }


def plain_surroundings(server: Mapping[str, str], tmp: str) -> dict[str, str]:
    """Return what a hook without a sandbox has besides."""
    return {
        **{name: server[name] for name in (*_CERTIFICATES, *_OF_NIX) if name in server},
        "PATH": server.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "HOME": server.get("HOME", tmp),
        "TMPDIR": tmp,
        "LC_ALL": "C.UTF-8",
    }


def environment_of(*parts: Mapping[str, str | Secret]) -> dict[str, str]:
    """Put the variables of a process together, later ones last; only what starts it may see the result."""
    return {
        name: value.reveal() if isinstance(value, Secret) else value for part in parts for name, value in part.items()
    }
