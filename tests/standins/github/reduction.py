"""From GitHub's published OpenAPI description to what the stand-in checks with: smaller, and JSON Schema.

OpenAPI 3.0 has ``nullable`` and ignores what stands beside ``$ref``; JSON Schema has neither rule. Texts and examples
go, and so do schemas that nothing here refers to: 13 MB become less than 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

BASE: Final = "urn:github"
_PREFIX: Final = "#/components/schemas/"
_KEPT: Final = (
    "enum", "format", "maximum", "maxItems", "maxLength", "minimum", "minItems", "minLength", "minProperties",
    "pattern", "required", "uniqueItems",
)  # fmt: skip
_OF_MANY: Final = ("allOf", "anyOf", "oneOf")
_OF_ONE: Final = ("items", "not", "additionalProperties")
_MEDIA: Final = ("application/json", "application/x-www-form-urlencoded")


def reduce_description(document: dict[str, Any], operations: Iterable[str], events: Iterable[str]) -> dict[str, Any]:
    """Keep some operations and webhooks, all paths, and the schemas that they need.

    Args:
        document: the description as published.
        operations: the ``operationId`` of each that the stand-in answers.
        events: the names of events whose payloads it sends.
    """
    wanted, found, paths = set(operations), {}, {}
    for path, methods in document["paths"].items():
        paths[path] = {method.upper(): each["operationId"] for method, each in methods.items()}
        for method, each in methods.items():
            if each["operationId"] in wanted:
                found[each["operationId"]] = _operation(document, path, method, each)
    if wanted - found.keys():
        raise LookupError(f"the description has no {sorted(wanted - found.keys())}")
    webhooks = dict(_webhooks(document, set(events)))
    schemas: dict[str, Any] = {}
    _collect(document, [found, webhooks], schemas)
    return {
        "version": document["info"]["version"],
        "paths": paths,
        "operations": found,
        "webhooks": webhooks,
        "schemas": schemas,
    }


def _operation(document: dict[str, Any], path: str, method: str, each: dict[str, Any]) -> dict[str, Any]:
    parameters = [_looked_up(document, parameter) for parameter in each.get("parameters", ())]
    body = each.get("requestBody") or {}
    return {
        "path": path,
        "method": method.upper(),
        "parameters": [
            {
                "name": one["name"],
                "in": one["in"],
                "required": one.get("required", False),
                "schema": json_schema(one.get("schema", {})),
            }
            for one in parameters
        ],
        "body": _media_schema(body.get("content", {})),
        "body_required": body.get("required", False),
        "responses": {
            status: _media_schema(_looked_up(document, answer).get("content", {}))
            for status, answer in each["responses"].items()
        },
    }


def _media_schema(content: dict[str, Any]) -> Any:
    for media in _MEDIA:
        if media in content:
            return json_schema(content[media].get("schema", {}))
    return None


def _webhooks(document: dict[str, Any], events: set[str]) -> Iterator[tuple[str, Any]]:
    """Name payloads as ``event`` or ``event.action``; the description names them with dashes."""
    for each in document["x-webhooks"].values():
        post = each["post"]
        event = post["x-github"]["subcategory"]
        if event in events:
            action = post["operationId"].partition("/")[2].replace("-", "_")
            schema = json_schema(post["requestBody"]["content"]["application/json"]["schema"])
            yield (f"{event}.{action}" if action else event), schema


def json_schema(schema: Any) -> Any:
    """Translate one schema."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        result: dict[str, Any] = {"$ref": BASE + schema["$ref"]}
    else:
        result = {name: schema[name] for name in _KEPT if name in schema}
        result |= {name: list(map(json_schema, schema[name])) for name in _OF_MANY if name in schema}
        result |= {name: json_schema(schema[name]) for name in _OF_ONE if name in schema}
        if "properties" in schema:
            result["properties"] = {name: json_schema(each) for name, each in schema["properties"].items()}
        if "type" in schema:
            result["type"] = schema["type"]
    return _nullable(result) if schema.get("nullable") else result


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "type" in schema and not {"anyOf", "oneOf", "allOf"} & schema.keys():
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
        return schema
    return {"anyOf": [schema, {"type": "null"}]}


def _looked_up(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in value:
        return value
    found: Any = document
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _collect(document: dict[str, Any], roots: list[Any], into: dict[str, Any]) -> None:
    """Follow references until nothing new is named."""
    waiting = list(roots)
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            name = str(value.get("$ref", "")).removeprefix(BASE + _PREFIX)
            if name and isinstance(value.get("$ref"), str) and name not in into:
                into[name] = json_schema(document["components"]["schemas"][name])
                waiting.append(into[name])
