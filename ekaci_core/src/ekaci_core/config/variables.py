"""Environment variables that the server's configuration is read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

from ekaci_core.config.building import PREFIX
from ekaci_core.config.convert import WrongValue, shown_key
from ekaci_core.config.given import Given, variable
from ekaci_core.config.machine_file import VARIABLE
from ekaci_core.config.problems import Problem
from ekaci_core.config.schema import settings
from ekaci_core.config.suggest import nearest

DATABASE_URL: Final = "DATABASE_URL"
BIND_ADDR: Final = "BIND_ADDR"

GENERAL: Final[Mapping[str, str]] = {DATABASE_URL: "db_path", "LOGS_DIR": "logs_dir", BIND_ADDR: "web.address"}
"""Names that other programs use too; ``EKA_CI_`` variables win over them."""

SPECIAL: Final[Mapping[str, str]] = {
    "GITHUB_WEBHOOK_SECRET": "security.webhook_secret",
    "WEBHOOK_SECRET": "security.webhook_secret",
    "GITHUB_OAUTH_CLIENT_ID": "oauth.client_id",
    "GITHUB_OAUTH_CLIENT_SECRET": "oauth.client_secret",
    "GITHUB_OAUTH_REDIRECT_URL": "oauth.redirect_url",
    "JWT_SECRET": "oauth.jwt_secret",
    "EKACI_WEB_ALLOWED_ORIGINS": "web.allowed_origins",
    "EKACI_ALLOW_INSECURE_WEBHOOKS": "security.allow_insecure_webhooks",
    "EKACI_ALLOW_PRIVATE_CACHE_HOSTS": "security.allow_private_cache_hosts",
    "EKACI_WORKSPACE_ROOT": "workspace_root",
}
"""They win over ``EKA_CI_`` variables; of two for one key the later wins."""


def variable_of(key: str) -> str:
    """Name the variable that every key has: ``EKA_CI_WEB__PORT``."""
    return PREFIX + key.replace(".", "__").upper()


def given_by_variables(environment: Mapping[str, str]) -> tuple[list[Given], list[Problem]]:
    """Take values from the environment, the weakest first. Empty variables count as not there.

    Returns:
        the values, and a fault for each variable that begins like ours and means nothing.
    """
    there = {name: text for name, text in environment.items() if text}
    faults: list[Problem] = []
    values: list[Given] = []
    by_name = {variable_of(key): key for key in settings()}
    for name in GENERAL.keys() & there.keys():
        overruled = variable_of(GENERAL[name]) in there
        try:
            values += () if overruled and name != BIND_ADDR else _general(name, there[name])
        except WrongValue as wrong:
            faults.append(Problem("", str(wrong), name))
    for name in sorted(there):
        key = by_name.get(name.upper()) if name.upper().startswith(PREFIX) else None
        if key is not None:
            values.append(variable(key, name, there[name]))
        elif name.upper().startswith(PREFIX) and name != VARIABLE:
            faults.append(Problem("", _unknown(name, by_name), name))
    values += [variable(key, name, there[name]) for name, key in SPECIAL.items() if name in there]
    return values, faults


def _general(name: str, text: str) -> Iterator[Given]:
    if name == DATABASE_URL:
        yield variable(GENERAL[name], name, _database(text))
    elif name == BIND_ADDR:
        address, colon, port = text.strip().rpartition(":")
        if not colon or not address:
            raise WrongValue('expected an IP address and a port, such as "0.0.0.0:8080"')
        yield variable("web.address", name, address.removeprefix("[").removesuffix("]"))
        yield variable("web.port", name, port)
    else:
        yield variable(GENERAL[name], name, text)


def _database(text: str) -> str:
    """Take the path from an address; the text is never shown, it may hold a password."""
    scheme, colon, rest = text.partition(":")
    path, _, query = rest.partition("?")
    if not colon or scheme != "sqlite" or query not in ("", "mode=rwc"):
        raise WrongValue(
            'the database is one of SQLite: expected an address such as "sqlite:///var/lib/ekaci/sqlite.db"'
        )
    empty_host = path.startswith("///")
    if not path.startswith("/") or (path.startswith("//") and not empty_host):
        raise WrongValue('expected an absolute path, such as "sqlite:///var/lib/ekaci/sqlite.db"')
    return "/" + unquote(path).lstrip("/")


def _unknown(name: str, by_name: Mapping[str, str]) -> str:
    near = nearest(name, by_name)
    if near is not None:
        return f"it stands for no key (did you mean {near}?)"
    key = shown_key(name[len(PREFIX) :].replace("__", ".").lower())
    return f"it stands for no key: there is no {key} that a variable can give"
