"""Gitea's published description: what a request may look like, and what an answer does.

``script/test`` brings it: https://www.npmjs.com/package/gitea-js is generated from Gitea's own Swagger document
(https://gitea.com/swagger.v1.json), and its types and comments have all of it that is needed here: operations, their
queries, bodies and answers. It is no part of this repository.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote

import attrs
import pytest

VARIABLE: Final = "EKACI_GITEA_DESCRIPTION"
REQUIRED_VARIABLE: Final = "EKACI_REQUIRE_GITEA_DESCRIPTION"
# Read when tests are collected: later the process has a private home.
_GIVEN: Final = os.environ.get(VARIABLE, "")
_REQUIRED: Final = os.environ.get(REQUIRED_VARIABLE, "") not in ("", "0")

_INTERFACE: Final = re.compile(r"^interface (\w+) \{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
_ALIAS: Final = re.compile(r"^type (\w+) = (.*);$", re.MULTILINE)
_MEMBER: Final = re.compile(r"((?:^ *(?:/\*\*(?:[^*]|\*(?!/))*\*/)\n)?)^ +(\w+)(\??): ([^;\n]*);$", re.MULTILINE)
_OPERATION: Final = re.compile(
    r"@request (\w+):(\S+)\n(?:(?!\*/).)*?\*/\n\s+(\w+): \(((?:(?!=> Promise<HttpResponse<).)*)\) => "
    r"Promise<HttpResponse<([\w\[\]]+), ",
    re.DOTALL,
)
_QUERY: Final = re.compile(r"query(\??): \{(.*?)\n\s+\}", re.DOTALL)
_BODY: Final = re.compile(r"\w+(\??): (?!RequestParams)([A-Z]\w+)")
_MOMENT: Final = "@format date-time"
# What stands in a folder is a list, though the description knows of one entry alone.
_LISTS_TOO: Final = ("repoGetContents",)
_PARTS: Final = {"filepath": ".+", "ref": ".+"}


@attrs.frozen
class Member:
    """A key of an object. ``is_moment``: a time as text."""

    name: str
    type: str
    required: bool
    is_moment: bool = False


@attrs.frozen
class Operation:
    """What can be asked. ``body`` and ``answer`` are types."""

    name: str
    method: str
    path: str
    query: Mapping[str, Member]
    body: str | None
    body_required: bool
    answer: str


class Match(NamedTuple):
    """An operation and what stands in the path for its parameters."""

    operation: Operation
    parameters: Mapping[str, str]


class Description:
    """The description, read from the types of the client."""

    def __init__(self, text: str) -> None:
        self._objects = {name: _members(body) for name, body in _INTERFACE.findall(text)}
        self._aliases = dict(_ALIAS.findall(text))
        self.operations = {each.name: each for each in map(_operation, _OPERATION.findall(text))}
        ordered = sorted(
            self.operations.values(), key=lambda each: -sum("{" not in part for part in each.path.split("/"))
        )
        self._patterns = [(_pattern(each.path), each) for each in ordered]

    def match(self, method: str, path: str) -> Match | None:
        """Find the operation; ``path`` is percent-encoded. None where the description has none."""
        for pattern, operation in self._patterns:
            found = pattern.fullmatch(path) if operation.method == method else None
            if found:
                return Match(operation, {name: unquote(text) for name, text in found.groupdict().items()})
        return None

    def request_faults(self, operation: Operation, query: Mapping[str, str], body: object) -> Iterator[str]:
        """Say what is wrong with a request; ``body`` is None where it has none."""
        yield from (f"unknown query parameter {name!r}" for name in query.keys() - operation.query.keys())
        for name, member in operation.query.items():
            if name in query:
                yield from self.faults(member.type, _typed(member.type, query[name]), f"query parameter {name}")
        if body is None:
            if operation.body_required:
                yield "the body is missing"
        elif operation.body is None:
            yield "there should be no body"
        else:
            yield from self.faults(operation.body, body, "the body")

    def answer_faults(self, operation: Operation, body: object) -> Iterator[str]:
        """Say what is wrong with an answer; nothing is no answer that is wrong."""
        if body is not None and operation.answer != "void":
            listed = operation.name in _LISTS_TOO and isinstance(body, list)
            yield from self.faults(operation.answer + "[]" * listed, body, "the answer", nulls=True)

    def faults(self, kind: str, value: object, place: str, *, nulls: bool = False) -> Iterator[str]:
        """Check a value of a type; Go's writer has null for what is not there, where ``nulls`` are allowed."""
        kind = self._aliases.get(kind, kind).strip()
        if value is None and nulls:
            return
        if kind.endswith("[]"):
            if not isinstance(value, list):
                yield f"{place} is no list"
                return
            for index, each in enumerate(value):
                yield from self.faults(kind[:-2], each, f"{place}[{index}]", nulls=nulls)
        elif kind.startswith("Record<string, "):
            if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
                yield f"{place} is no object of texts"
        elif kind in self._objects:
            yield from self._object_faults(kind, value, place, nulls=nulls)
        elif not _is(kind, value):
            yield f"{place} is not {kind}: {str(value)[:60]!r}"

    def _object_faults(self, kind: str, value: object, place: str, *, nulls: bool) -> Iterator[str]:
        members = self._objects[kind]
        if not isinstance(value, dict):
            yield f"{place} is no {kind}"
            return
        yield from (f"{place} has {name!r}, which {kind} has not" for name in value.keys() - members.keys())
        for name, member in members.items():
            if name in value:
                yield from self.faults(member.type, value[name], f"{place}.{name}", nulls=nulls)
                if member.is_moment and isinstance(value[name], str) and not _is_moment(value[name]):
                    yield f"{place}.{name} is no time"
            elif member.required:
                yield f"{place} lacks {name!r}"


def _typed(kind: str, text: str) -> object:
    if kind == "number" and text.isdecimal():
        return int(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def _is(kind: str, value: object) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind.startswith("'"):
        return value in [each.strip().strip("'") for each in kind.split("|")]
    return True


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _members(text: str) -> dict[str, Member]:
    found = [Member(name, kind, not optional, _MOMENT in said) for said, name, optional, kind in _MEMBER.findall(text)]
    return {each.name: each for each in found}


def _operation(found: tuple[str, str, str, str, str]) -> Operation:
    method, path, name, arguments, answer = found
    query = _QUERY.search(arguments)
    body = _BODY.search(_QUERY.sub("", arguments))
    return Operation(
        name=name,
        method=method,
        path=path,
        query=_members(query[2] + "\n") if query else {},
        body=body[2] if body else None,
        body_required=bool(body) and not (body and body[1]),
        answer=answer,
    )


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{([^}]+)\}", template)
    text = "".join(
        re.escape(part) if number % 2 == 0 else f"(?P<{re.sub(r'[^A-Za-z0-9]', '_', part)}>{_PARTS.get(part, '[^/]+')})"
        for number, part in enumerate(parts)
    )
    return re.compile(text)


def description() -> Description:
    """Return the description; skip the test where it is not on this machine, or fail where it was promised."""
    if not _GIVEN or not Path(_GIVEN).is_file():
        reason = f"needs Gitea's description: run script/test, or name gitea-js' index.d.ts in {VARIABLE}"
        if _REQUIRED:
            pytest.fail(f"{reason} ({REQUIRED_VARIABLE} is set)", pytrace=False)
        pytest.skip(reason)
    return _loaded(Path(_GIVEN))


@cache
def _loaded(file: Path) -> Description:
    return Description(file.read_text("utf-8"))
