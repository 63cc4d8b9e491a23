"""Reading JSON that others wrote: each value is checked where it is read, and a fault names its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from ekaci_core.model.errors import BadName
from ekaci_core.model.forge import Branch, Person, RepositoryId
from ekaci_core.model.ids import CommitSha

# Accounts of enterprises at GitHub have an underscore, those of its apps end in [bot].
_LOGIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}(\[bot\])?")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_ENDS: Final = re.compile(r"[\t\r\n\u2028\u2029]+")
_LARGEST_NUMBER: Final = 2**63 - 1
_MOST_VALUES: Final = 1_000_000

Name = TypeVar("Name")


class Malformed(ValueError):
    """A document is not what it should be; the message says where and what was expected."""


def loaded(document: bytes) -> Any:
    """Parse JSON, however hostile: depth and number of values are bounded.

    Raises:
        Malformed: it is no JSON, or too much of it.
    """
    # A parsed value takes some hundred times the room of the two bytes of "[]".
    if sum(map(document.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise Malformed("more values than any delivery has")
    try:
        return json.loads(document.decode("utf-8"), parse_constant=_refuse)
    except RecursionError:
        raise Malformed("nested too deep") from None
    except ValueError:
        raise Malformed("not JSON") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def is_login(text: str) -> bool:
    """Whether an account can be called so."""
    return _LOGIN.fullmatch(text) is not None


def clean(text: str) -> str:
    """Replace what is not text: control characters other than tabs and ends of lines, and halves of characters."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


class Fields:
    """A JSON object, and the way to it."""

    def __init__(self, value: object, path: str = "") -> None:
        """Take ``value``, which stands at ``path``.

        Raises:
            Malformed: it is no object.
        """
        if not isinstance(value, dict):
            raise Malformed(f"{path or 'the document'} is no object")
        self._value: dict[str, Any] = value
        self._path = path

    def has(self, key: str) -> bool:
        """Whether there is something other than null."""
        return self._value.get(key) is not None

    def object(self, key: str) -> Fields:
        """Return an object."""
        return Fields(self._value.get(key), self._at(key))

    def objects(self, key: str) -> Iterator[Fields]:
        """Return a list of objects; null and nothing are an empty one."""
        for index, value in enumerate(self.values(key)):
            yield Fields(value, f"{self._at(key)}[{index}]")

    def values(self, key: str) -> list[Any]:
        """Return a list of whatever; null and nothing are an empty one."""
        values = self._value.get(key)
        if not isinstance(values, list | None):
            raise Malformed(f"{self._at(key)} is no list")
        return values or []

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Return an object as it is; null and nothing are an empty one."""
        return Fields(self._value.get(key) or {}, self._at(key))._value  # noqa: SLF001 - of its own kind

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text, cleaned; ``default`` where there is none."""
        value = self._value.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise Malformed(f"{self._at(key)} is no text")
        return clean(value)

    def line(self, key: str, default: str | None = None) -> str:
        """Return a text as one line."""
        return _LINE_ENDS.sub(" ", self.text(key, default)).strip()

    def number(self, key: str) -> int:
        """Return a whole number above 0."""
        value = self._value.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST_NUMBER:
            raise Malformed(f"{self._at(key)} is no number above 0")
        return value

    def flag(self, key: str) -> bool:
        """Return whether it is true; null and nothing are false."""
        value = self._value.get(key)
        if not isinstance(value, bool | None):
            raise Malformed(f"{self._at(key)} is neither true nor false")
        return bool(value)

    def time(self, key: str) -> float:
        """Return a time in seconds since the epoch."""
        return moment(self.text(key), self._at(key))

    def sha(self, key: str) -> CommitSha:
        """Return a commit."""
        return self._named(key, CommitSha.parse)

    def branch(self, key: str) -> Branch:
        """Return a branch; ``refs/heads/`` in front is taken away."""
        return self._named(key, Branch.parse)

    def repository(self, host: str, key: str = "full_name") -> RepositoryId:
        """Return a repository by its full name."""
        return self._named(key, lambda name: RepositoryId.parse(host, name))

    def person(self, key: str) -> Person:
        """Return an account."""
        account = self.object(key)
        login = account.text("login")
        if not is_login(login):
            raise Malformed(f"{self._at(key)}.login is no login")
        return Person(login, account.number("id"))

    def _named(self, key: str, parse: Callable[[str], Name]) -> Name:
        try:
            return parse(self.text(key))
        except BadName as error:
            raise Malformed(f"{self._at(key)} is {error.what}") from None

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def moment(text: str, where: str = "the time") -> float:
    """Return a time as forges write it, in seconds since the epoch.

    Raises:
        Malformed: it is no time.
    """
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Malformed(f"{where} is no time") from None
