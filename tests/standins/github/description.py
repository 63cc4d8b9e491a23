"""GitHub's published OpenAPI description: what a request to GitHub may look like, and what an answer does.

``script/test`` brings it: https://www.npmjs.com/package/@octokit/openapi, which republishes
https://github.com/github/rest-api-description. It is no part of this repository.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from tests.standins.github import reduction
from tests.standins.github.filling import Filling
from tests.standins.github.operations import EVENTS, OPERATIONS

VARIABLE: Final = "EKACI_GITHUB_DESCRIPTION"
REQUIRED_VARIABLE: Final = "EKACI_REQUIRE_GITHUB_DESCRIPTION"
# Read when tests are collected: later the process has a private home.
_GIVEN: Final = os.environ.get(VARIABLE, "")
_REQUIRED: Final = os.environ.get(REQUIRED_VARIABLE, "") not in ("", "0")
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_FORMATS: Final = FormatChecker(formats=())
# File names and refs may have slashes; the root of a repository has an empty name.
_PARTS: Final = {"path": ".*", "ref": ".+"}


@_FORMATS.checks("date-time")
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or _MOMENT.fullmatch(value) is not None


class Match(NamedTuple):
    """An operation and what stands in the path for its parameters."""

    operation: str
    parameters: Mapping[str, str]


class Description:
    """The reduced description, with validators that are made once."""

    def __init__(self, reduced: Mapping[str, Any]) -> None:
        self.version: str = reduced["version"]
        self._operations: Mapping[str, Any] = reduced["operations"]
        self._paths: Mapping[str, Mapping[str, str]] = reduced["paths"]
        self._webhooks: Mapping[str, Any] = reduced["webhooks"]
        resource = DRAFT202012.create_resource({"components": {"schemas": reduced["schemas"]}})
        self._registry: Registry[Any] = Registry().with_resource(reduction.BASE, resource)
        self._validators: dict[int, tuple[Any, Draft202012Validator]] = {}
        self._filling = Filling(reduced["schemas"], self.faults)

    def match(self, method: str, path: str) -> Match | None:
        """Find the operation; ``path`` is percent-encoded. None where the description has none."""
        for pattern, methods in self._patterns:
            found = pattern.fullmatch(path)
            if found and method in methods:
                return Match(methods[method], {name: unquote(text) for name, text in found.groupdict().items()})
        return None

    @cached_property
    def _patterns(self) -> Sequence[tuple[re.Pattern[str], Mapping[str, str]]]:
        # What says most comes first: /commits/{ref}/status before /commits/{ref}.
        def literal(template: str) -> int:
            return sum("{" not in part for part in template.split("/"))

        ordered = sorted(self._paths, key=literal, reverse=True)
        return [(_pattern(template), self._paths[template]) for template in ordered]

    def request_faults(
        self, operation: str, parameters: Mapping[str, str], query: Mapping[str, str], body: object
    ) -> Iterator[str]:
        """Say what is wrong with a request; ``body`` is None where it has none."""
        described = self._operations[operation]
        yield from self._parameter_faults(described["parameters"], "path", parameters)
        yield from self._parameter_faults(described["parameters"], "query", query)
        schema = described["body"]
        if body is None:
            if described["body_required"]:
                yield "the body is missing"
        elif schema is None:
            yield "there should be no body"
        else:
            yield from self.faults(schema, body)
            known = set(self._filling.property_names(schema))
            if isinstance(body, dict) and known:
                yield from (f"unknown key {name!r} in the body" for name in body.keys() - known)

    def _parameter_faults(
        self, described: Sequence[Mapping[str, Any]], place: str, given: Mapping[str, str]
    ) -> Iterator[str]:
        known = {each["name"]: each for each in described if each["in"] == place}
        yield from (f"unknown {place} parameter {name!r}" for name in given.keys() - known.keys())
        for name, each in known.items():
            if name in given:
                value = self._typed(each["schema"], given[name])
                yield from (f"{place} parameter {name}: {fault}" for fault in self.faults(each["schema"], value))
            elif each["required"]:
                yield f"{place} parameter {name!r} is missing"

    def _typed(self, schema: Any, text: str) -> object:
        types = self._filling.types(schema)
        if "integer" in types and re.fullmatch(r"-?[0-9]+", text):
            return int(text)
        if "boolean" in types and text in ("true", "false"):
            return text == "true"
        return text

    def answer(self, operation: str, status: int, body: object) -> object:
        """Complete an answer with all that the description requires of it; as it is where it describes none."""
        schema = self._operations[operation]["responses"].get(str(status))
        return body if schema is None else self._filling.complete(schema, body)

    def answer_faults(self, operation: str, status: int, body: object) -> Iterator[str]:
        """Say what is wrong with an answer."""
        responses = self._operations[operation]["responses"]
        if str(status) in responses and responses[str(status)] is not None:
            yield from self.faults(responses[str(status)], body)

    def payload(self, event: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Complete the payload of a webhook with all that the description requires of it."""
        return dict(self._filling.complete(self._webhook(event, body), dict(body)))

    def payload_faults(self, event: str, body: Mapping[str, Any]) -> Iterator[str]:
        """Say what is wrong with the payload of a webhook."""
        yield from self.faults(self._webhook(event, body), body)

    def _webhook(self, event: str, body: Mapping[str, Any]) -> Any:
        named = f"{event}.{body['action']}" if "action" in body else event
        return self._webhooks[named]

    def faults(self, schema: Any, value: object) -> Iterator[str]:
        """Validate."""
        if id(schema) not in self._validators:
            made = Draft202012Validator(schema, registry=self._registry, format_checker=_FORMATS)
            self._validators[id(schema)] = (schema, made)
        for error in self._validators[id(schema)][1].iter_errors(value):
            place = "/".join(map(str, error.absolute_path)) or "the whole"
            yield f"{place}: {error.message[:300]}"


def _pattern(template: str) -> re.Pattern[str]:
    """Make an expression with a group for each parameter."""
    parts = re.split(r"\{([^}]+)\}", template)
    text = "".join(
        re.escape(part) if number % 2 == 0 else f"(?P<{part.replace('-', '_')}>{_PARTS.get(part, '[^/]+')})"
        for number, part in enumerate(parts)
    )
    return re.compile(text)


def description() -> Description:
    """Return the description; skip the test where it is not on this machine, or fail where it was promised."""
    if not _GIVEN or not Path(_GIVEN).is_file():
        reason = f"needs GitHub's OpenAPI description: run script/test, or name api.github.com.json in {VARIABLE}"
        if _REQUIRED:
            pytest.fail(f"{reason} ({REQUIRED_VARIABLE} is set)", pytrace=False)
        pytest.skip(reason)
    return _loaded(Path(_GIVEN))


@cache
def _loaded(file: Path) -> Description:
    sources = "\n".join([Path(reduction.__file__).read_text(), *sorted(OPERATIONS), *EVENTS])
    reduced = file.with_name(f"reduced-{hashlib.sha256(sources.encode()).hexdigest()[:16]}.json")
    if not reduced.exists():
        content = reduction.reduce_description(json.loads(file.read_bytes()), OPERATIONS, EVENTS)
        mine = reduced.with_suffix(f".{os.getpid()}")
        mine.write_text(json.dumps(content))
        mine.replace(reduced)
    return Description(json.loads(reduced.read_bytes()))
