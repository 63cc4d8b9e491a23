"""A machine to build on, as configuration and Nix's ``machines`` file describe it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

import attrs

_URI: Final = re.compile(r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://)?(?P<host>[^/?#;\s]+)(?P<rest>[/?][^#;\s]*)?")
_HOST_KEY: Final = re.compile(r"(?P<kind>[a-z0-9@.-]+) +(?P<key>[A-Za-z0-9+/]+={0,2})( .*)?")
SCHEMES: Final = ("ssh-ng", "ssh")


class BadValue(ValueError):
    """A value that describes no machine; the text says what is wrong and ``do`` what to write instead."""

    def __init__(self, what: str, do: str) -> None:
        super().__init__(what)
        self.what = what
        self.do = do


@attrs.frozen
class Machine:
    """One machine; the defaults are those of Nix.

    Attributes:
        uri: its store, ``ssh-ng://user@host`` or ``ssh://user@host``, with parameters such as ``?remote-store=``.
        systems: platforms it builds for; empty for this machine's own.
        ssh_key: path of the private key; None for what ssh finds.
        max_jobs: builds at once.
        speed_factor: how fast it is beside others.
        supported_features: system features it has.
        mandatory_features: features without which it takes no build.
        host_key: its public host key, as ``ssh-ed25519 AAAA…``; None for what ssh knows.
    """

    uri: str
    systems: tuple[str, ...] = ()
    ssh_key: str | None = None
    max_jobs: int = 1
    speed_factor: float = 1.0
    supported_features: tuple[str, ...] = ()
    mandatory_features: tuple[str, ...] = ()
    host_key: str | None = None

    @property
    def scheme(self) -> str:
        """How it is reached: one of `SCHEMES`."""
        return self.uri.partition("://")[0]


def checked_uri(text: str) -> str:
    """Return the address with its scheme; a bare host means ``ssh://``, as in Nix.

    Raises:
        BadValue: it is none, or is reached by something else than SSH.
    """
    found = _URI.fullmatch(text)
    if found is None or found["host"].startswith("-") or (found["scheme"] is None and "://" in text):
        raise BadValue(f"{text!r} is not the address of a machine", "write ssh-ng://user@host")
    if found["scheme"] not in (None, *SCHEMES):
        raise BadValue(f"{text!r} is not reached over SSH", "write ssh-ng://user@host, or take the line out")
    return text if found["scheme"] else f"ssh://{text}"


def checked_jobs(text: str) -> int:
    """Return a count of jobs.

    Raises:
        BadValue: it is none.
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > len("999999"):
        raise BadValue(f"{text!r} is not a number of jobs", "write a whole number such as 4")
    return int(text)


def checked_speed(text: str) -> float:
    """Return a speed factor.

    Raises:
        BadValue: it is no positive number.
    """
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?|\.\d{1,9}", text, re.ASCII) or float(text) <= 0:
        raise BadValue(f"{text!r} is not a speed factor", "write a number greater than 0, 1 for ordinary")
    return float(text)


def decoded_host_key(text: str) -> str:
    """Return the key that Nix's field has in base64.

    Raises:
        BadValue: it is no base64, or what it holds is no public key.
    """
    do = "write the output of `base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub` on that machine"
    try:
        key = base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise BadValue("the host key is not base64", do) from None
    return checked_host_key(key, do)


def checked_host_key(text: str, do: str = "write the line of /etc/ssh/ssh_host_ed25519_key.pub on that machine") -> str:
    """Return a public key without its comment.

    Raises:
        BadValue: it is none.
    """
    found = _HOST_KEY.fullmatch(text.strip())
    if found is None:
        raise BadValue("the host key is not a public key", do)
    return f"{found['kind']} {found['key']}"
