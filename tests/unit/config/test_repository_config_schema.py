"""The published schema and the parser are of one mind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from jsonschema import Draft202012Validator

from ekaci_core.config.faults import ConfigurationFault
from ekaci_core.config.repository import parse_repository_config
from ekaci_core.config.shape import (
    CheckShape,
    FileShape,
    HookShape,
    ImpactShape,
    JobShape,
    SizeCheckShape,
    SummaryShape,
)

REFERENCE = Path(__file__).parents[3] / "docs/reference"
SCHEMA = json.loads((REFERENCE / "schemas/repository-configuration.schema.json").read_text())

JOB: dict[str, Any] = {"file": "a.nix"}

GOOD: list[Any] = [
    {},
    {"jobs": {}},
    {"jobs": {"a": JOB}},
    {"jobs": {"grün-1 (x)": {"file": "/path/to/file.nix"}}},
    {"jobs": {"a": {**JOB, "attr_path": None, "size_check": None}}},
    {"jobs": {"a": {**JOB, "attr_path": "some.attr", "allow_eval_failures": True, "caches": ["main"]}}},
    {"jobs": {"a": {**JOB, "size_check": {"max_increase_percent": 0}}}},
    {"jobs": {"a": {**JOB, "size_check": {"max_increase_percent": 10.5, "base_branch": "main"}}}},
    {"jobs": {"a": {**JOB, "unknown": 1}}, "unknown": 1},
    {"jobs": {"a": {**JOB, "post_build_hooks": [{"name": "n", "command": ["c"], "env": {"A": ""}}]}}},
    {"jobs": {"a": {**JOB, "fod_post_build_hooks": []}}},
    {"checks": {"lint": {"command": "ruff check"}}},
    {
        "checks": {
            "lint": {"command": "x", "shell": "dev", "shell_nix": False, "allow_network": True, "ro_bind": ["/x"]}
        }
    },
    {"checks": {"lint": {"command": "x", "shell": None}}},
    {"flake": None},
    {"flake": {"checks": {"enable": True}, "packages": {}}},
    {"package_change_summary": {"enabled": False, "max_packages_listed": 0, "include_rebuild_only": True}},
    {"package_change_summary": None, "rebuild_impact": None},
    {"rebuild_impact": {"enabled": True, "max_top_blast_radius": 5, "compute_full_blast_radius": False}},
    {"change_set": [{"anything": ["goes"]}]},
    *({"jobs": {"a": {"file": file}}} for file in ("a", "./a", "a/./b", "..a", "a/...", ".a/b", "a..b", "ä b.nix")),
]

BAD: list[Any] = [
    [],
    None,
    "jobs",
    {"jobs": []},
    {"jobs": None},
    {"jobs": {"a": {}}},
    {"jobs": {"a": "a.nix"}},
    {"jobs": {"": JOB}},
    {"jobs": {"a\nb": JOB}},
    {"jobs": {"x" * 201: JOB}},
    {"jobs": {"a": {"file": 1}}},
    *({"jobs": {"a": {"file": file}}} for file in ("", "/", ".", "./", "a/", "..", "../a", "a/../b", "/../a", "a\0")),
    {"jobs": {"a": {**JOB, "attr_path": 1}}},
    {"jobs": {"a": {**JOB, "attr_path": ""}}},
    {"jobs": {"a": {**JOB, "allow_eval_failures": "true"}}},
    {"jobs": {"a": {**JOB, "allow_eval_failures": None}}},
    {"jobs": {"a": {**JOB, "caches": "main"}}},
    {"jobs": {"a": {**JOB, "caches": [1]}}},
    {"jobs": {"a": {**JOB, "caches": [""]}}},
    {"jobs": {"a": {**JOB, "size_check": {}}}},
    {"jobs": {"a": {**JOB, "size_check": 10}}},
    {"jobs": {"a": {**JOB, "size_check": {"max_increase_percent": -1}}}},
    {"jobs": {"a": {**JOB, "size_check": {"max_increase_percent": "10"}}}},
    {"jobs": {"a": {**JOB, "size_check": {"max_increase_percent": 1, "base_branch": 1}}}},
    {"jobs": {"a": {**JOB, "post_build_hooks": {}}}},
    {"jobs": {"a": {**JOB, "post_build_hooks": [{"name": "n"}]}}},
    {"jobs": {"a": {**JOB, "post_build_hooks": [{"name": "n", "command": "c"}]}}},
    {"jobs": {"a": {**JOB, "post_build_hooks": [{"name": "n", "command": ["c"], "env": {"A": 1}}]}}},
    {"checks": {"lint": {}}},
    {"checks": {"lint": {"command": ""}}},
    {"checks": {"lint": {"command": ["ruff"]}}},
    {"checks": {"lint": {"command": "x", "ro_bind": "/x"}}},
    {"flake": True},
    {"flake": {"checks": True}},
    {"flake": {"checks": {"enable": 1}}},
    {"package_change_summary": {"max_packages_listed": -1}},
    {"package_change_summary": {"max_packages_listed": 1.5}},
    {"rebuild_impact": {"max_top_blast_radius": "5"}},
    {"rebuild_impact": {"enabled": None}},
]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("value", GOOD, ids=json.dumps)
def test_both_accept(value: Any) -> None:
    Draft202012Validator(SCHEMA).validate(value)
    parse_repository_config(json.dumps(value).encode(), "x")


@pytest.mark.parametrize("value", BAD, ids=json.dumps)
def test_both_refuse(value: Any) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(value)
    with pytest.raises(ConfigurationFault):
        parse_repository_config(json.dumps(value).encode(), "x")


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (FileShape, SCHEMA),
        (JobShape, SCHEMA["$defs"]["job"]),
        (CheckShape, SCHEMA["$defs"]["check"]),
        (HookShape, SCHEMA["$defs"]["hook"]),
        (SizeCheckShape, SCHEMA["$defs"]["job"]["properties"]["size_check"]),
        (SummaryShape, SCHEMA["properties"]["package_change_summary"]),
        (ImpactShape, SCHEMA["properties"]["rebuild_impact"]),
    ],
)
def test_both_know_the_same_keys_with_the_same_defaults(kind: Any, schema: Any) -> None:
    fields = attrs.fields_dict(kind)
    assert set(schema["properties"]) == set(fields)
    required = {name for name, field in fields.items() if field.default is attrs.NOTHING}
    assert set(schema.get("required", ())) == required
    for name, described in schema["properties"].items():
        if "default" in described:
            assert fields[name].default == described["default"]


def test_every_example_in_the_reference_is_accepted_without_a_warning() -> None:
    page = (REFERENCE / "repository-configuration.md").read_text()
    blocks = [block.partition("```")[0] for block in page.split("```json\n")[1:]]
    assert blocks
    for block in blocks:
        Draft202012Validator(SCHEMA).validate(json.loads(block))
        assert parse_repository_config(block.encode(), "page").warnings == ()


def test_the_reference_names_every_key() -> None:
    page = (REFERENCE / "repository-configuration.md").read_text()
    for kind in (FileShape, JobShape, CheckShape, HookShape, SizeCheckShape, SummaryShape, ImpactShape):
        for name in attrs.fields_dict(kind):
            assert f"`{name}`" in page, name
