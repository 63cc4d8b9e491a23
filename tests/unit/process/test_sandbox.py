"""What bubblewrap is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from ekaci_core.process.sandbox import Sandbox, handed_over, sandbox_command, sandbox_options, sandbox_path

PLAIN = Sandbox(environment={"A": "b c", "TOKEN": "canary"}, directory="/home/hook", network=True)


def binds(options: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    """The places that stand behind an option, in order."""
    return [(options[at + 1], options[at + 2]) for at, each in enumerate(options) if each == option]


def test_it_is_alone_and_has_no_power() -> None:
    options = sandbox_options(PLAIN)
    for wanted in ("user", "pid", "ipc", "uts", "cgroup-try"):
        assert f"--unshare-{wanted}" in options
    assert {"--die-with-parent", "--new-session", "--clearenv"} <= set(options)
    assert options[options.index("--cap-drop") + 1] == "ALL"
    assert options[options.index("--uid") + 1] != "0", "Nix as root would try to remount the store"


def test_the_network_is_there_or_not() -> None:
    assert "--unshare-net" not in sandbox_options(PLAIN)
    assert "--unshare-net" in sandbox_options(attrs.evolve(PLAIN, network=False))


def test_nothing_of_the_machine_can_be_written() -> None:
    options = sandbox_options(PLAIN)
    assert binds(options, "--bind") == []
    assert ("/nix/store", "/nix/store") in binds(options, "--ro-bind")
    assert options[options.index("--remount-ro") + 1] == "/"


def test_no_place_with_keys_or_of_the_server_is_there() -> None:
    options = sandbox_options(PLAIN)
    seen = {source for option in ("--bind", "--ro-bind", "--ro-bind-try") for source, _ in binds(options, option)}
    for place in ("/", "/etc", "/etc/ssl", "/etc/nix", "/etc/shadow", "/home", "/root", "/run", "/var", "/nix"):
        assert place not in seen


def test_what_is_given_is_bound_outer_folders_first() -> None:
    sandbox = attrs.evolve(PLAIN, writable={"/tmp": "/w/tmp"}, read_only={"/etc/x/y": "/a", "/etc/x": "/b"})  # noqa: S108
    options = sandbox_options(sandbox)
    assert binds(options, "--bind") == [("/w/tmp", "/tmp")]  # noqa: S108
    assert binds(options, "--ro-bind")[-2:] == [("/b", "/etc/x"), ("/a", "/etc/x/y")]


def test_values_are_no_part_of_the_command_line_nor_of_what_is_shown() -> None:
    command = sandbox_command(["nix", "copy", "--", "-x"], 7)
    assert command == ("bwrap", "--args", "7", "--", "nix", "copy", "--", "-x")
    assert "canary" not in repr(PLAIN)
    options = sandbox_options(PLAIN)
    at = options.index("TOKEN")
    assert options[at - 1 : at + 2] == ("--setenv", "TOKEN", "canary")


@pytest.fixture
def descriptors() -> Iterator[None]:
    folder = Path("/proc/self/fd")
    before = len(list(folder.iterdir()))
    yield
    assert len(list(folder.iterdir())) == before


@pytest.mark.usefixtures("descriptors")
def test_options_are_handed_over_in_memory() -> None:
    with handed_over(["--setenv", "A", "b c\n"]) as descriptor:
        assert os.read(descriptor, 100) == b"--setenv\0A\0b c\n\0"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/usr/bin:/bin", "/usr/bin:/bin"),
        ("/home/me/bin:/nix/store/x/bin:/srv/venv/bin:/run/current-system/sw/bin", None),
        ("/usrx/bin:relative::/usr/../home", "/usr/local/bin:/usr/bin:/bin"),
        ("", "/usr/local/bin:/usr/bin:/bin"),
    ],
)
def test_of_the_path_those_parts_stay_that_are_there(path: str, kept: str | None) -> None:
    assert sandbox_path(path) == (kept or "/nix/store/x/bin:/run/current-system/sw/bin")
