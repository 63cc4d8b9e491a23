"""The configuration, read with what the installed plugins bring."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ekaci_core.config.problems import ConfigurationProblems
from ekaci_core.registry import Registry, load_registry
from ekaci_core.server.configuring import configuration, judge, judge_repository, missing_plugins
from ekaci_core.telemetry import LOG

EXAMPLES = sorted((Path(__file__).parents[2] / "data/config_examples").glob("*.toml"))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry({}, LOG)


def test_every_example_agrees_with_the_plugins(registry: Registry) -> None:
    judged = 0
    for path in EXAMPLES:
        if not path.read_text().startswith("# context: "):
            judge(path, {}, registry, LOG)
            judged += 1
    assert judged > 40


def test_what_plugins_say_counts(tmp_path: Path, registry: Registry) -> None:
    file = tmp_path / "ekaci.toml"
    file.write_text('[[builders]]\nuri = "ssh://a"\n[eval]\nevaluator = "nix"\n')
    config = configuration({"HOME": "/home/ci"}, registry, LOG, file=file)
    assert config.eval.evaluator == "nix"
    file.write_text('[[builders]]\ntype = "far"\n[eval]\nevaluator = "nyx"\n')
    with pytest.raises(ConfigurationProblems) as raised:
        configuration({"HOME": "/home/ci"}, registry, LOG, file=file)
    assert [(problem.at, problem.place) for problem in raised.value.problems] == [
        ("builders[0].type", f"{file}:2"),
        ("eval.evaluator", f"{file}:4"),
    ]


def test_what_no_plugin_brings_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ekaci.toml"
    file.write_text(
        '[[github_apps]]\nid = "a"\ncredentials = { aws-profile = { profile = "p" } }\n'
        '[[caches]]\nid = "c"\ncache_type = "nix-copy"\ndestination = "file:///c"\ncredentials = "none"\n'
    )
    nothing = Registry([])
    with pytest.raises(ConfigurationProblems):  # not even an evaluator
        configuration({"HOME": "/home/ci"}, nothing, LOG, file=file)
    config = configuration({"HOME": "/home/ci"}, load_registry({}, LOG), LOG, file=file)
    assert [str(problem) for problem in missing_plugins(config, nothing)] == [
        f"{file}:1: github_apps[0]: no active plugin brings [[github_apps]]",
        f"{file}:3: github_apps[0].credentials: no active plugin brings the credential source aws-profile",
        f"{file}:8: caches[0].credentials: no active plugin brings the credential source none",
        f"{file}:6: caches[0].cache_type: no active plugin brings the cache type nix-copy",
    ]


def test_a_hook_of_a_repository_that_would_push_nothing_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    for words, warned in ((["nix", "copy"], True), (["nix", "copy", "$OUT_PATHS"], False)):
        hook = {"name": "push", "command": words}
        file.write_text(json.dumps({"jobs": {"a": {"file": "a.nix", "post_build_hooks": [hook]}}}))
        found = judge_repository(file)
        assert len(found) == warned
        where = f'{file}: jobs.a.post_build_hooks[0].command: it has no "$OUT_PATHS"'
        assert all(each.startswith(where) for each in found)
