"""The configuration file of a repository: what is read, what is warned of, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.config.faults import MOST_SHOWN, ConfigurationFault
from ekaci_core.config.plain_json import SIZE_LIMIT
from ekaci_core.config.repository import CONFIG_FILES, find_repository_config, parse_repository_config
from ekaci_core.model.repository import (
    Check,
    ImpactSettings,
    Job,
    PostBuildHook,
    RepositoryConfig,
    SizeCheck,
    SummarySettings,
)

ORIGIN = ".eka-ci/config.json"


def parse(value: Any) -> RepositoryConfig:
    return parse_repository_config(json.dumps(value).encode(), ORIGIN)


def faults_of(value: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationFault) as caught:
        parse(value)
    assert caught.value.where == ORIGIN
    return caught.value.faults


def test_everything_that_can_be_said() -> None:
    config = parse(
        {
            "jobs": {
                "package": {
                    "file": "/nix/./package.nix",
                    "attr_path": "some.attr",
                    "allow_eval_failures": True,
                    "caches": ["main"],
                    "size_check": {"max_increase_percent": 10, "base_branch": "stable"},
                    "post_build_hooks": [{"name": "push", "command": ["nix", "copy"], "env": {"A": "b"}}],
                    "fod_post_build_hooks": [{"name": "fods", "command": ["true"]}],
                },
            },
            "checks": {
                "format": {
                    "shell": "formatting",
                    "shell_nix": True,
                    "command": "nixfmt --check **/*.nix",
                    "allow_network": True,
                    "ro_bind": ["/etc/ssl"],
                },
            },
            "package_change_summary": {"enabled": False, "max_packages_listed": 7, "include_rebuild_only": True},
            "rebuild_impact": {"enabled": False, "max_top_blast_radius": 0, "compute_full_blast_radius": True},
        }
    )
    assert config == RepositoryConfig(
        origin=ORIGIN,
        jobs={
            "package": Job(
                name="package",
                file="nix/package.nix",
                attr_path="some.attr",
                allow_eval_failures=True,
                caches=("main",),
                size_check=SizeCheck(10.0, "stable"),
                post_build_hooks=(PostBuildHook("push", ("nix", "copy"), {"A": "b"}),),
                fod_post_build_hooks=(PostBuildHook("fods", ("true",)),),
            )
        },
        checks={
            "format": Check(  # noqa: S604 - not subprocess's shell
                name="format",
                command="nixfmt --check **/*.nix",
                shell="formatting",
                shell_nix=True,
                allow_network=True,
                ro_bind=("/etc/ssl",),
            )
        },
        summary=SummarySettings(enabled=False, max_packages_listed=7, include_rebuild_only=True),
        impact=ImpactSettings(enabled=False, max_top_blast_radius=0, compute_full_blast_radius=True),
    )


def test_defaults() -> None:
    config = parse({"jobs": {"a": {"file": "a.nix", "attr_path": None, "size_check": None}}})
    assert config.jobs == {"a": Job(name="a", file="a.nix")}
    assert (config.summary, config.impact) == (SummarySettings(), ImpactSettings())
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("flake", "attr_path"),
    [
        ({"checks": {"enable": True}, "packages": {"enable": True}}, None),
        ({"checks": {"enable": True}}, "checks"),
        ({"checks": {"enable": False}, "packages": {"enable": True}}, "packages"),
    ],
)
def test_a_flake_is_a_job(flake: object, attr_path: str | None) -> None:
    config = parse({"flake": flake})
    assert config.jobs == {"flake": Job(name="flake", file="flake.nix", attr_path=attr_path, flake=True)}
    assert parse({"flake": {}}).jobs == {}


def test_a_job_may_not_take_the_flakes_name() -> None:
    both = {"jobs": {"flake": {"file": "a.nix"}}, "flake": {"checks": {"enable": True}}}
    assert faults_of(both) == ('jobs.flake: the name belongs to the job that "flake" makes',)


@pytest.mark.parametrize("extra", ["allow-eval-failures", "allowEvalFailures", "allow_eval_failure"])
def test_unknown_keys_are_named_with_what_was_meant(extra: str) -> None:
    config = parse({"jobs": {"a": {"file": "a.nix", extra: True}}})
    hint = 'is ignored (did you mean "allow_eval_failures"?)'
    assert config.warnings == (f'{ORIGIN}: jobs.a: unknown key "{extra}" {hint}',)
    assert not config.jobs["a"].allow_eval_failures


def test_unknown_keys_anywhere() -> None:
    config = parse(
        {
            "jbos": {},
            "zzz": 1,
            "jobs": {
                "a b": {"file": "x", "size_check": {"max_increase_percent": 1, "branch": "x"}},
                "c": {"file": "x", "post_build_hooks": [{"name": "n", "command": [], "environment": {}}]},
            },
            "flake": {"checks": {"enabled": True}},
            "rebuild_impact": {"max": 1},
            "post_build_hooks": [],
        }
    )
    assert [warning.removeprefix(f"{ORIGIN}: ") for warning in config.warnings] == [
        'unknown key "jbos" is ignored (did you mean "jobs"?)',
        'unknown key "zzz" is ignored',
        'jobs."a b".size_check: unknown key "branch" is ignored (did you mean "base_branch"?)',
        'jobs.c.post_build_hooks[0]: unknown key "environment" is ignored',
        'flake.checks: unknown key "enabled" is ignored (did you mean "enable"?)',
        'rebuild_impact: unknown key "max" is ignored',
        'unknown key "post_build_hooks" is ignored',
    ]


def test_what_has_no_effect_is_said() -> None:
    assert parse({}).warnings == (f"{ORIGIN}: it defines no jobs",)
    with_rules = parse({"jobs": {"a": {"file": "a.nix"}}, "change_set": [{"paths": ["doc/**"]}]})
    assert with_rules.warnings == (f"{ORIGIN}: change_set is not applied: every change is evaluated",)


def test_every_wrong_value_is_reported_with_its_address() -> None:
    assert faults_of(
        {
            "jobs": {
                "a": {
                    "file": 5,
                    "caches": "x",
                    "allow_eval_failures": "false",
                    "size_check": {"max_increase_percent": "10"},
                },
                "b c": {"attr_path": 1},
                "d": None,
                "e": {"file": "x", "caches": [1, "a", None], "size_check": {}},
                "f": {"file": "x", "post_build_hooks": [{"name": "n", "command": "rm -rf", "env": {"A": 1}}]},
                "g": {"file": "x", "size_check": {"max_increase_percent": True}, "attr_path": ""},
            },
            "checks": [],
            "rebuild_impact": {"max_top_blast_radius": 2.0, "enabled": 1},
            "package_change_summary": {"max_packages_listed": -1},
        }
    ) == (
        "jobs.a.file: expected a string, got 5",
        'jobs.a.allow_eval_failures: expected true or false, got "false"',
        'jobs.a.caches: expected a list, got "x"',
        'jobs.a.size_check.max_increase_percent: expected a number, got "10"',
        'jobs."b c": the key "file" is missing',
        'jobs."b c".attr_path: expected a string, got 1',
        "jobs.d: expected an object, got null",
        "jobs.e.caches[0]: expected a string, got 1",
        "jobs.e.caches[2]: expected a string, got null",
        'jobs.e.size_check: the key "max_increase_percent" is missing',
        'jobs.f.post_build_hooks[0].command: expected a list, got "rm -rf"',
        "jobs.f.post_build_hooks[0].env.A: expected a string, got 1",
        'jobs.g.attr_path: expected text that is not empty and holds no NUL, got ""',
        "jobs.g.size_check.max_increase_percent: expected a number, got true",
        "checks: expected an object, got a list",
        "package_change_summary.max_packages_listed: expected a number that is not negative, got -1",
        "rebuild_impact.enabled: expected true or false, got 1",
        "rebuild_impact.max_top_blast_radius: expected a whole number, got 2.0",
    )


@pytest.mark.parametrize("top", [[], 1, "jobs", None, True])
def test_the_top_is_an_object(top: object) -> None:
    assert faults_of(top)[0].startswith("expected an object, got ")


@pytest.mark.parametrize("file", ["../x.nix", "a/../../x", "/..", "a/.."])
def test_no_file_outside_the_repository(file: str) -> None:
    (fault,) = faults_of({"jobs": {"a": {"file": file}}})
    assert fault == f'jobs.a.file: expected a file inside the repository, without "..", got "{file}"'


@pytest.mark.parametrize("file", ["", "/", ".", "./", "pkgs/", "a\nb", "a\0b"])
def test_no_file_that_is_none(file: str) -> None:
    (fault,) = faults_of({"jobs": {"a": {"file": file}}})
    assert fault.startswith("jobs.a.file: expected a file, relative to the root of the repository, got ")


@pytest.mark.parametrize("file", ["a.nix", "/a.nix", "//a.nix", "./a.nix", "/./a.nix"])
def test_leading_slashes_mean_the_root_of_the_repository(file: str) -> None:
    assert parse({"jobs": {"a": {"file": file}}}).jobs["a"].file == "a.nix"


@pytest.mark.parametrize("file", ["..a/b", "a..b", ".hidden/x.nix", "a/...nix"])
def test_dots_in_names_are_names(file: str) -> None:
    assert parse({"jobs": {"a": {"file": file}}}).jobs["a"].file == file


def test_names_can_be_printed() -> None:
    faults = faults_of({"jobs": {"a\nb": {"file": "x"}, "": {"file": "x"}, "x" * 201: {"file": "x"}}})
    assert len(faults) == 3
    assert all(fault.isprintable() and len(fault) < 300 for fault in faults)
    assert faults[0] == 'jobs."a\\nb": expected 1 to 200 printable characters, got "a\\nb"'


def test_a_hostile_file_gives_a_message_of_bounded_length() -> None:
    with pytest.raises(ConfigurationFault) as caught:
        parse({"jobs": {f"j{number}": 1 for number in range(5000)}})
    assert len(str(caught.value).splitlines()) == MOST_SHOWN + 2
    assert str(caught.value).endswith("… and 4950 more")
    assert len(parse({f"x{number}": 1 for number in range(5000)}).warnings) == MOST_SHOWN + 1
    assert len(faults_of({"jobs": {"a": {"file": ["x" * 100_000] * 3}}})[0]) < 200


@pytest.mark.parametrize(
    ("text", "what", "do"),
    [
        (b'{"jobs": {},}', "line 1, column", "remove the comma"),
        (b'{"jobs": [1,\n  2,\n ]}', "not JSON", "remove the comma"),
        (b'{\n  "jobs" {}\n}', "line 2, column 10: not JSON: expecting ':' delimiter", "syntax"),
        (b'{\n  // jobs\n  "jobs": {}\n}', "line 2, column 3: not JSON", "remove the comment"),
        (b"# comment\n{}", "line 1, column 1: not JSON", "remove the comment"),
        (b"", "empty", "{}"),
        (b" \n ", "empty", "{}"),
        (b"\n\xff\xfe{}", "line 2: not UTF-8 (byte 0xff)", "UTF-8"),
        (b'{"a": NaN}', "NaN is no number", "finite"),
        (b'{"a": -Infinity}', "-Infinity is no number", "finite"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits", "shorter"),
        (b"[" * 200_000, "nested too deeply", "nesting"),
        (b'{"jobs": ' * 50_000 + b"1" + b"}" * 50_000, "nested too deeply", "nesting"),
        (b'{"jobs": {"a": {"file": "x", "file": "y"}}}', 'key "file" stands twice', "one of"),
        (b"{}" + b" " * SIZE_LIMIT, "larger than 1048576 bytes", "shorten"),
    ],
)
def test_what_is_not_json_says_where(text: bytes, what: str, do: str) -> None:
    with pytest.raises(ConfigurationFault) as caught:
        parse_repository_config(text, ORIGIN)
    assert what in caught.value.what
    assert "\n" not in caught.value.what
    assert do in str(caught.value.do)


def test_a_byte_order_mark_and_the_largest_file_are_read() -> None:
    assert parse_repository_config(b"\xef\xbb\xbf{}", ORIGIN).jobs == {}
    assert parse_repository_config(b"{}" + b" " * (SIZE_LIMIT - 2), ORIGIN).jobs == {}


def test_half_characters_are_refused() -> None:
    with pytest.raises(ConfigurationFault) as caught:
        parse_repository_config(rb'{"jobs": {"\ud800": {"file": "\udfff"}}}', ORIGIN)
    assert caught.value.faults == (
        r'jobs."\ud800": expected whole characters, got "\ud800"',
        r'jobs."\ud800".file: expected whole characters, got "\udfff"',
    )
    str(caught.value).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["jobs", "file", "checks"]), inner),
    max_leaves=20,
)


def lines_about(text: bytes) -> tuple[str, ...]:
    try:
        return parse_repository_config(text, ORIGIN).warnings
    except ConfigurationFault as fault:
        return fault.faults or ("a fault without a reason\n",)


@given(json_values | st.fixed_dictionaries({"jobs": st.dictionaries(st.text(), json_values)}))
def test_any_json_is_a_configuration_or_a_fault(value: Any) -> None:
    assert all(line.isprintable() for line in lines_about(json.dumps(value).encode()))


@given(st.binary())
def test_any_bytes_are_a_configuration_or_a_fault(text: bytes) -> None:
    assert all(line.isprintable() for line in lines_about(text))


@pytest.mark.anyio
@pytest.mark.parametrize("name", CONFIG_FILES)
async def test_either_name_is_found(name: str) -> None:
    files = {name: b'{"jobs": {"a": {"file": "a.nix"}}}'}

    async def read(path: str) -> bytes | None:
        return files.get(path)

    config = await find_repository_config(read)
    assert config is not None
    assert (config.origin, config.warnings) == (name, ())


@pytest.mark.anyio
async def test_of_both_names_the_first_counts_and_a_warning_says_so() -> None:
    files = {CONFIG_FILES[0]: b'{"jobs": {"a": {"file": "a.nix"}}}', CONFIG_FILES[1]: b"not even JSON"}

    async def read(path: str) -> bytes | None:
        return files.get(path)

    config = await find_repository_config(read)
    assert config is not None
    assert list(config.jobs) == ["a"]
    assert config.warnings == (".ekaci/config.json is ignored: .eka-ci/config.json counts",)


@pytest.mark.anyio
async def test_without_a_file_there_is_no_configuration() -> None:
    async def read(path: str) -> bytes | None:
        return None if path in CONFIG_FILES else b"{}"

    assert await find_repository_config(read) is None
