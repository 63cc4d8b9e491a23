"""Post-build hooks of the server and of repositories."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.config.test_server_config_entries import load, problems

from ekaci_core.api import Secret
from ekaci_core.config.hiding import config_secrets
from ekaci_core.config.hooks import hook_notes
from ekaci_core.config.lacking import lacking
from ekaci_core.config.merge import jobs_of_review
from ekaci_core.config.repository import parse_repository_config
from ekaci_core.config.shown import shown_values
from ekaci_core.model.policy import Permissions
from ekaci_core.model.repository import Job, PostBuildHook, RepositoryConfig

HOOK = '[[post_build_hooks]]\nname = "push"\ncommand = ["push", "$OUT_PATHS"]\n'
FOD = '[[fod_post_build_hooks]]\nname = "keep"\ncommand = ["keep", "$OUT_PATHS"]\n'
CACHE = '[[caches]]\nid = "main"\ncache_type = "cachix"\ndestination = "x"\ncredentials = "none"\n'


def test_hooks_of_both_kinds_are_read_with_their_defaults() -> None:
    config = load(FOD + HOOK)
    push, keep = config.hooks
    assert (push.name, push.command, push.env, push.fod, push.at) == (
        "push",
        ("push", "$OUT_PATHS"),
        {},
        False,
        "post_build_hooks[0]",
    )
    assert (push.permissions, push.sandbox, push.network, push.ro_bind) == (Permissions(), True, True, ())
    assert (keep.name, keep.fod, keep.at) == ("keep", True, "fod_post_build_hooks[0]")
    assert config.warnings == ()


def test_everything_that_can_be_said() -> None:
    more = (
        'env = { PROFILE = "ci" }\nsandbox = false\nnetwork = false\nro_bind = ["/etc/keys"]\n'
        'permissions = { allow_all = false, allowed_repos = ["org/*"], allowed_branches = ["main"] }\n'
    )
    (hook,) = load(HOOK + more).hooks
    assert (hook.env, hook.sandbox, hook.network, hook.ro_bind) == (
        {"PROFILE": "ci"},
        False,
        False,
        (Path("/etc/keys"),),
    )
    assert hook.permissions.allows("org/x", "main")
    assert not hook.permissions.allows("other/x", "main")
    assert not hook.permissions.allows("org/x", "feature")


def test_values_under_names_of_secrets_are_secrets() -> None:
    config = load(HOOK + 'env = { CACHIX_AUTH_TOKEN = "canary-of-hooks", AWS_PROFILE = "ci" }\n')
    assert config.hooks[0].env == {"CACHIX_AUTH_TOKEN": Secret("canary-of-hooks"), "AWS_PROFILE": "ci"}
    assert [each.reveal() for each in config_secrets(config)] == ["canary-of-hooks"]
    shown = {each.key: each.value for each in shown_values(config)}
    assert shown["post_build_hooks[0].env"] == {"CACHIX_AUTH_TOKEN": "[REDACTED]", "AWS_PROFILE": "ci"}
    assert shown["post_build_hooks[0].command"] == ["push", "$OUT_PATHS"]
    assert shown["post_build_hooks[0].permissions.allow_all"] is True
    assert "canary-of-hooks" not in f"{config} {shown}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[[post_build_hooks]]\nname = "x"', 'post_build_hooks[0]: the key "command" is missing'),
        ('[[post_build_hooks]]\ncommand = ["x"]', 'post_build_hooks[0]: the key "name" is missing'),
        (HOOK.replace('"push"\n', '"../up"\n'), "post_build_hooks[0].name: expected a name of 1 to 64 letters"),
        (HOOK.replace('["push", "$OUT_PATHS"]', "[]"), "post_build_hooks[0].command: expected a program and its words"),
        (
            HOOK.replace("$OUT_PATHS", "$OUTPUTS"),
            "post_build_hooks[0].command: there is no variable OUTPUTS; there are:",
        ),
        (HOOK.replace("$OUT_PATHS", "$1"), "post_build_hooks[0].command: a dollar stands alone in '$1'"),
        (HOOK + 'env = { OUT_PATHS = "x" }', "post_build_hooks[0].env.OUT_PATHS: expected the name of a variable"),
        (HOOK + 'env = { "A=B" = "x" }', "env"),
        (HOOK + "env = { A = 1 }", "post_build_hooks[0].env.A: expected a string, got 1"),
        (HOOK + 'ro_bind = ["keys"]', "post_build_hooks[0].ro_bind[0]: expected an absolute path"),
        (HOOK + "timeout = 3", 'post_build_hooks[0]: unknown key "timeout"'),
        (HOOK + HOOK, 'post_build_hooks[1].name: post_build_hooks[0] has the name "push" already'),
        (HOOK + FOD.replace("keep", "push"), 'fod_post_build_hooks[0].name: post_build_hooks[0] has the name "push"'),
        (CACHE + HOOK.replace('"push"\n', '"push-main"\n'), 'the log of pushes to the cache "main" has it'),
        ('post_build_hooks = "x"', "post_build_hooks: expected tables, written [[post_build_hooks]]"),
        (
            HOOK.replace("$OUT_PATHS", "$MY_TOKEN") + 'env = { MY_TOKEN = "hunter2" }',
            "post_build_hooks[0].command: MY_TOKEN is a secret and goes into no command",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, fault: str) -> None:
    (found,) = problems(text)
    assert fault in found
    assert "hunter2" not in found


def test_a_command_without_paths_and_odd_permissions_are_warned_of() -> None:
    text = HOOK.replace(', "$OUT_PATHS"', "") + 'permissions = { allowed_repos = ["a/b"] }\n'
    first, second = (str(each) for each in load(text).warnings)
    assert first.startswith('ekaci.toml:3: post_build_hooks[0].command: it has no "$OUT_PATHS"')
    assert second.startswith("ekaci.toml:4: post_build_hooks[0].permissions: allow_all is taken as false")
    assert load(HOOK.replace("$OUT_PATHS", "--all=${OUT_PATHS}")).warnings == ()


def hook(name: str = "n", *command: str) -> PostBuildHook:
    return PostBuildHook(name, command or ("c", "$OUT_PATHS"))


def test_a_change_can_take_hooks_away_and_add_none() -> None:
    base = Job("a", "a.nix", post_build_hooks=(hook("one"), hook("two")), fod_post_build_hooks=(hook("three"),))
    head = Job("a", "a.nix", post_build_hooks=(hook("two", "evil"), hook("new")), fod_post_build_hooks=(hook("one"),))
    configs = [RepositoryConfig("x", jobs={"a": each}) for each in (base, head)]
    (job,) = jobs_of_review(*configs)
    assert job.post_build_hooks == (hook("two"),)
    assert job.fod_post_build_hooks == ()
    (added,) = jobs_of_review(None, configs[1])
    assert (added.post_build_hooks, added.fod_post_build_hooks) == ((), ())
    (dropped,) = jobs_of_review(configs[0], RepositoryConfig("x"))
    assert (dropped.post_build_hooks, dropped.fod_post_build_hooks) == ((), ())


def test_what_will_not_work_in_a_repository_is_told_on_checking() -> None:
    hooks = [
        {"name": "n", "command": ["nix", "copy"]},
        {"name": "m", "command": ["c", "$NOTHING", "$OUT_PATHS"]},
        {"name": "n", "command": ["c", "$OUT_PATHS"]},
    ]
    text = json.dumps({"jobs": {"a": {"file": "a.nix", "post_build_hooks": hooks, "fod_post_build_hooks": hooks[2:]}}})
    config = parse_repository_config(text.encode(), "config.json")
    assert config.warnings == ()
    notes = list(hook_notes(config.jobs.values()))
    assert [note.split(": ")[0] for note in notes] == [
        "jobs.a.post_build_hooks[0].command",
        "jobs.a.post_build_hooks[1].command",
        "jobs.a.post_build_hooks[2].name",
        "jobs.a.fod_post_build_hooks[0].name",
    ]
    assert "$OUT_PATHS" in notes[0]
    assert "no variable NOTHING" in notes[1]


def test_what_a_hook_needs_and_this_machine_has_not_is_told(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    text = HOOK + f'ro_bind = ["{tmp_path}/there", "{tmp_path}/missing"]\n' + FOD + "sandbox = false\n"
    config = load(text)
    program = tmp_path / "bwrap"
    program.touch()
    program.chmod(0o755)
    found = [str(each) for each in lacking(config, {"PATH": str(tmp_path)})]
    assert found == [f"ekaci.toml:4: post_build_hooks[0].ro_bind[1]: there is no {tmp_path}/missing here"]
    program.unlink()
    found = [str(each) for each in lacking(config, {"PATH": str(tmp_path)})]
    assert found[0].startswith("ekaci.toml:1: post_build_hooks[0]: bubblewrap (bwrap) is not on PATH here")
    assert len(found) == 2
