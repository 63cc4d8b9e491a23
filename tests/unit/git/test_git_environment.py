"""The environment of git."""

from __future__ import annotations

from ekaci_core.git.environment import CHECKOUT_SETTINGS, SETTINGS, as_options, git_environment


def test_variables_that_redirect_git_go_and_those_of_trust_stay() -> None:
    kept = {"PATH": "/bin", "HOME": "/root", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/cfg"}
    gone = {
        "GIT_DIR": "/x",
        "GIT_INDEX_FILE": "/x",
        "GIT_WORK_TREE": "/x",
        "GIT_OBJECT_DIRECTORY": "/x",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_PARAMETERS": "'core.hooksPath=/x'",
        "GIT_EXTERNAL_DIFF": "/x",
        "GIT_SSH_COMMAND": "/x",
        "GIT_EXEC_PATH": "/x",
        "SSH_ASKPASS": "/x",
    }
    made = git_environment(kept | gone)
    assert made.items() >= kept.items()
    assert not set(made) & set(gone)
    assert made["GIT_TERMINAL_PROMPT"] == "0"
    assert made["LC_ALL"] == "C"
    assert made["GIT_OPTIONAL_LOCKS"] == "0"


def test_settings_become_options() -> None:
    assert as_options((("a.b", "c"), ("d.e", ""))) == ["-c", "a.b=c", "-c", "d.e="]
    assert dict(SETTINGS)["core.hooksPath"] == "/dev/null"
    assert dict(SETTINGS)["protocol.file.allow"] == "never"
    assert dict(CHECKOUT_SETTINGS)["core.sparseCheckout"] == "false"
