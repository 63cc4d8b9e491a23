"""Forges that are configured by environment variables, for servers with one account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ekaci_core.config.credential_sources import APP_ID, APP_KEY
from ekaci_core.config.entries import GITEA_INSTANCES, GITHUB_APPS, GITLAB_INSTANCES
from ekaci_core.config.problems import Origin, OriginKind, Places, Problem

IMPLICIT_ID: Final = "environment"
"""The ``id`` of an entry that stands in no file."""

_INSTANCES: Final = {
    GITEA_INSTANCES: ("GITEA_TOKEN", "GITEA_DOMAIN"),
    GITLAB_INSTANCES: ("GITLAB_TOKEN", "GITLAB_DOMAIN"),
}
_PEM: Final = "-----BEGIN"


def add_implicit(contents: dict[str, Any], environment: Mapping[str, str], places: Places) -> list[Problem]:
    """Add the entries that variables stand for to the contents of a file; return what is wrong with the variables."""
    faults = _github(contents, environment, places)
    for table, names in _INSTANCES.items():
        faults += _instance(contents, environment, places, table, names)
    return faults


def app_credentials(environment: Mapping[str, str]) -> Mapping[str, Any]:
    """Say where the App's number and key come from: the key's variable holds the PEM text, or the path of a file."""
    if _is_path(environment.get(APP_KEY, "")):
        return {"github-app-key-file": {"app_id_env": APP_ID, "key_file": environment[APP_KEY]}}
    return {"env": {"vars": [APP_ID, APP_KEY]}}


def _github(contents: dict[str, Any], environment: Mapping[str, str], places: Places) -> list[Problem]:
    written = contents.get(GITHUB_APPS)
    if written:
        for entry in written if isinstance(written, list) else ():
            _read_key_from_file(entry, environment)
        return []
    there = [name for name in (APP_ID, APP_KEY) if environment.get(name)]
    if len(there) == 1:
        other = APP_KEY if there[0] == APP_ID else APP_ID
        return [Problem("", f"{other} is needed beside it, or an entry of [[{GITHUB_APPS}]]", there[0])]
    if there:
        contents[GITHUB_APPS] = [{"id": IMPLICIT_ID, "credentials": app_credentials(environment)}]
        places.overlaid[f"{GITHUB_APPS}[0]"] = Origin(OriginKind.VARIABLE, APP_ID)
    return []


def _read_key_from_file(entry: object, environment: Mapping[str, str]) -> None:
    """Where an entry names the two variables and the key's one holds a path, read the file."""
    credentials = entry.get("credentials") if isinstance(entry, dict) else None
    env = credentials.get("env") if isinstance(credentials, dict) else None
    names = env.get("vars") if isinstance(env, dict) and env.keys() == {"vars"} else None
    if isinstance(entry, dict) and isinstance(names, list) and set(map(str, names)) == {APP_ID, APP_KEY}:
        entry["credentials"] = app_credentials(environment)


def _is_path(text: str) -> bool:
    return text.startswith("/") and _PEM not in text and "\n" not in text.strip()


def _instance(
    contents: dict[str, Any], environment: Mapping[str, str], places: Places, table: str, names: tuple[str, str]
) -> list[Problem]:
    token, domain = names
    if not environment.get(token):
        return []
    written, host = contents.get(table), environment.get(domain, "")
    credentials = {"env": {"vars": [token]}}
    if not written:
        if not host:
            return [Problem("", f"{domain} is needed beside it, or an entry of [[{table}]]", token)]
        contents[table] = [{"id": IMPLICIT_ID, "domain": host, "credentials": credentials}]
        places.overlaid[f"{table}[0]"] = Origin(OriginKind.VARIABLE, token)
        return []
    entries = [entry for entry in written if isinstance(entry, dict)] if isinstance(written, list) else []
    meant = [entry for entry in entries if entry.get("domain") == host] if host else entries
    if len(meant) == 1 and not {"token", "credentials"} & meant[0].keys():
        meant[0]["credentials"] = credentials
        places.overlaid[f"{table}[{entries.index(meant[0])}].credentials"] = Origin(OriginKind.VARIABLE, token)
    return []
