"""Completing what the stand-in says: whatever the published description requires beside it, with the plainest value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from tests.standins.github.reduction import BASE

_MISSING: Final = object()
_TEXTS: Final = {
    "date-time": "2025-01-01T00:00:00Z",
    "date": "2025-01-01",
    "uri": "https://example.org/",
    "email": "octocat@example.org",
}


class Filling:
    """Completes values by schemas."""

    def __init__(self, schemas: Mapping[str, Any], faults: Callable[[Any, object], Iterable[str]]) -> None:
        self._schemas = schemas
        self._faults = faults

    def complete(self, schema: Any, value: Any = _MISSING) -> Any:
        """Return ``value`` with everything that is required and was left out; what was said is never changed."""
        schema = self._resolved(schema)
        for kind in ("anyOf", "oneOf"):
            if kind in schema:
                value = self._one_of(schema[kind], value)
        for each in schema.get("allOf", ()):
            value = self.complete(each, value)
        if value is _MISSING:
            value = self._plainest(schema)
        if isinstance(value, dict):
            return self._object(schema, value)
        if isinstance(value, list) and "items" in schema:
            return [self.complete(schema["items"], each) for each in value]
        return value

    def _object(self, schema: Mapping[str, Any], value: dict[str, Any]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        result = {name: self.complete(properties.get(name, {}), each) for name, each in value.items()}
        for name in schema.get("required", ()):
            if name not in result:
                result[name] = self.complete(properties.get(name, {}))
        return result

    def _one_of(self, options: list[Any], value: Any) -> Any:
        if value is _MISSING:
            nothing = any(self.types(option) == {"null"} for option in options)
            return None if nothing else self.complete(options[0])
        last = value
        for option in options:
            if value is None and "null" not in self.types(option):
                continue
            last = self.complete(option, value)
            if not any(True for _ in self._faults(option, last)):
                return last
        return last

    def _plainest(self, schema: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - a table of types
        types = self.types(schema)
        if "null" in types:
            return None
        if "enum" in schema:
            return schema["enum"][0]
        if "string" in types:
            if schema.get("format") in _TEXTS:
                return _TEXTS[schema["format"]]
            return "0" * schema.get("minLength", 1 if "pattern" in schema else 0)
        if types & {"integer", "number"}:
            return schema.get("minimum", 0)
        if "boolean" in types:
            return False
        return [] if "array" in types else {}

    def types(self, schema: Any) -> set[str]:
        """Return the names of types that a schema allows, as far as it says."""
        schema = self._resolved(schema)
        said = schema.get("type", ())
        found = {said} if isinstance(said, str) else set(said)
        for kind in ("anyOf", "oneOf", "allOf"):
            for each in schema.get(kind, ()):
                found |= self.types(each)
        return found

    def property_names(self, schema: Any) -> Iterator[str]:
        """Return the names of an object's properties in all variants."""
        schema = self._resolved(schema)
        yield from schema.get("properties", ())
        for kind in ("anyOf", "oneOf", "allOf"):
            for each in schema.get(kind, ()):
                yield from self.property_names(each)

    def _resolved(self, schema: Any) -> Any:
        while isinstance(schema, dict) and "$ref" in schema:
            schema = self._schemas[schema["$ref"].removeprefix(f"{BASE}#/components/schemas/")]
        return schema if isinstance(schema, dict) else {}
