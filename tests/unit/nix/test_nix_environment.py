from __future__ import annotations

from ekaci_core.nix.environment import NIX_LINES, nix_environment


def test_what_nix_needs_is_kept_and_what_may_change_a_result_is_not() -> None:
    kept = {
        "PATH": "/bin",
        "HOME": "/home/a",
        "USER": "a",
        "NIX_REMOTE": "daemon",
        "NIX_SSL_CERT_FILE": "/etc/certs",
        "NIX_PATH": "nixpkgs=/pkgs",
        "XDG_CONFIG_HOME": "/home/a/.config",
        "https_proxy": "http://proxy.example.org",
        "GC_INITIAL_HEAP_SIZE": "1G",
    }
    dropped = {
        "NIXPKGS_ALLOW_UNFREE": "1",
        "NIX_BUILD_TOP": "/build",
        "NIX_GET_COMPLETIONS": "2",
        "NIX_LDFLAGS": "-lx",
        "EDITOR": "vi",
        "PYTHONPATH": "/x",
        "LANG": "de_DE.UTF-8",
    }
    made = nix_environment({**kept, **dropped})
    assert made.items() >= kept.items()
    assert not dropped.keys() & made.keys()
    assert made["LC_ALL"] == "C.UTF-8"


def test_what_the_caller_names_is_kept() -> None:
    surroundings = {"NIXPKGS_ALLOW_UNFREE": "1", "NIXPKGS_CONFIG": "/x"}
    made = nix_environment(surroundings, keep=["NIXPKGS_ALLOW_UNFREE", "ABSENT"])
    assert made["NIXPKGS_ALLOW_UNFREE"] == "1"
    assert not {"NIXPKGS_CONFIG", "ABSENT"} & made.keys()


def test_nobody_is_asked_anything() -> None:
    made = nix_environment(
        {"TERM": "xterm", "GIT_TERMINAL_PROMPT": "1", "SSH_ASKPASS": "/bin/ask", "GIT_ASKPASS": "ask"}
    )
    assert (made["GIT_TERMINAL_PROMPT"], made["TERM"], made["GIT_ASKPASS"]) == ("0", "dumb", "true")
    assert made["GIT_SSH_COMMAND"] == "ssh -oBatchMode=yes"
    assert "SSH_ASKPASS" not in made


def test_a_way_to_ssh_that_the_person_chose_stays() -> None:
    assert nix_environment({"GIT_SSH_COMMAND": "ssh -i key"})["GIT_SSH_COMMAND"] == "ssh -i key"


def test_our_lines_come_after_those_of_the_person_and_before_those_of_the_caller() -> None:
    assert nix_environment({})["NIX_CONFIG"].splitlines() == list(NIX_LINES)
    made = nix_environment({"NIX_CONFIG": "accept-flake-config = true\ncores = 1"}, lines=["cores = 2"])
    assert made["NIX_CONFIG"].splitlines() == ["accept-flake-config = true", "cores = 1", *NIX_LINES, "cores = 2"]
