"""What a credential says: an object of JSON, lines ``KEY=VALUE``, or one value."""

from __future__ import annotations

from ekaci_core.api import NotKeyValues, Secret, parse_key_values


def secrets_in(text: str, name: str) -> dict[str, Secret]:
    """Read a credential; one value gets the name of the credential, without the white space around it.

    Lines count as ``KEY=VALUE`` where each of them is one and has a value: a single token in base64, which may end in
    an equals sign, is one value.

    Raises:
        NotKeyValues: it begins like JSON and is none, or is empty.
    """
    stripped = text.lstrip("\ufeff").strip()
    if not stripped:
        raise NotKeyValues("it is empty")
    if stripped.startswith("{"):
        return parse_key_values(stripped)
    try:
        found = parse_key_values(stripped)
    except NotKeyValues:
        found = {}
    if found and all(secret.reveal().strip("=") for secret in found.values()):
        return found
    return {name: Secret(stripped)}
