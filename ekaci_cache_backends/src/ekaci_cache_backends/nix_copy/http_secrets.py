"""How a server is told who asks."""

from __future__ import annotations

import netrc
import tempfile
from pathlib import Path
from typing import Final

from urllib3.util import make_headers

from ekaci_core.api import Lease, UsageFault

USERNAME: Final = "HTTP_USERNAME"
PASSWORD: Final = "HTTP_PASSWORD"  # noqa: S105 - a name
TOKEN: Final = "HTTP_TOKEN"  # noqa: S105 - a name
NETRC: Final = "NETRC"


def authorization(lease: Lease, host: str, private: Path, where: str) -> dict[str, str]:
    """Return the header for what was leased: a token, a user with a password, or the text of a netrc file.

    Args:
        lease: the secrets; none at all for a server that asks for none.
        host: what is looked up in a netrc file.
        private: a folder that nobody else reads.
        where: the cache in messages.

    Raises:
        UsageFault: there are secrets, and none of these.
    """
    secrets = {name: secret.reveal() for name, secret in lease.secrets.items()}
    if not secrets:
        return {}
    if TOKEN in secrets:
        return {"Authorization": f"Bearer {_line(secrets[TOKEN], TOKEN, where)}"}
    if PASSWORD in secrets:
        user, password = secrets.get(USERNAME, ""), secrets[PASSWORD]
    elif NETRC in secrets:
        user, password = _of_netrc(secrets[NETRC], host, private, where)
    else:
        found = ", ".join(sorted(secrets))
        do = f"let the source give {TOKEN}, or {USERNAME} and {PASSWORD}, or {NETRC}"
        raise UsageFault(f"nobody knows what to do with {found}", where=where, do=do)
    return dict(make_headers(basic_auth=f"{user}:{password}"))


def _line(value: str, name: str, where: str) -> str:
    line = value.strip()
    if not line.isprintable():
        raise UsageFault(f"{name} has more than one line", where=where, do="give the bare token")
    return line


def _of_netrc(text: str, host: str, private: Path, where: str) -> tuple[str, str]:
    with tempfile.NamedTemporaryFile("w", dir=private) as file:  # readable by its owner alone
        file.write(text)
        file.flush()
        try:
            found = netrc.netrc(file.name).authenticators(host)
        except netrc.NetrcParseError as error:
            do = "write it as for curl: machine HOST login USER password PASSWORD"
            raise UsageFault(f"{NETRC} cannot be read, line {error.lineno}", where=where, do=do) from None
    if found is None:
        raise UsageFault(f"{NETRC} has no entry for {host}", where=where, do=f"add: machine {host} login …")
    return found[0], found[2] or ""
