"""The scripts on machines that lack something: stand-ins for other programs on a PATH of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("bash", "cat", "cksum", "dirname", "id", "mktemp", "rm")
FOUND_ANYWHERE = [Path("/nix/var/nix/profiles/default/bin/nix"), Path("/run/current-system/sw/bin/nix")]


class Machine:
    """A checkout's scripts, and a PATH with little on it; apt-get is not there, so nothing is installed."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "a checkout"
        self.bin = folder / "bin"
        self.bin.mkdir()
        shutil.copytree(ROOT / "script", self.checkout / "script")
        for name in ("pyproject.toml", "constraints.txt", "ekaci_core/pyproject.toml"):
            (self.checkout / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.checkout / name)
        for name in NEEDED:
            (self.bin / name).symlink_to(shutil.which(name) or "")

    def install(self, name: str, body: str) -> None:
        """Put an executable on the PATH."""
        path = self.bin / name
        path.write_text(f"#!{self.bin / 'bash'}\n{body}\n")
        path.chmod(0o755)

    def run(self, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout."""
        env = {"PATH": str(self.bin), "HOME": str(self.checkout.parent)} | environment
        return subprocess.run(argv, cwd=self.checkout, env=env, capture_output=True, text=True, check=False)

    def nix(self, store: str = "shared", **environment: str) -> subprocess.CompletedProcess[str]:
        """Call the function that makes sure of Nix, and show the configuration it leaves."""
        script = f'. script/lib/say.sh; . script/lib/nix.sh; ekaci_nix {store}; printf "%s" "$NIX_CONFIG"'
        return self.run("bash", "-euc", script, **environment)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("script", ["script/test", "script/check"])
def test_without_python_it_says_what_to_install(machine: Machine, script: str) -> None:
    done = machine.run("bash", script)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: no Python 3.11 or newer on PATH",
        "  On Debian 12 or newer: sudo apt-get install python3 python3-venv",
    ]


def test_an_old_python_is_as_good_as_none(machine: Machine) -> None:
    machine.install("python3", "exit 1")
    done = machine.run("bash", "script/test")
    assert done.returncode == 3
    assert "no Python 3.11 or newer" in done.stderr


def test_a_python_without_venv_says_what_to_install(machine: Machine) -> None:
    machine.install("python3", 'case "$*" in *venv*) exit 1 ;; --version) echo Python 3.12.9 ;; esac')
    done = machine.run("bash", "script/test")
    assert done.returncode == 3
    assert "cannot make virtual environments" in done.stderr
    assert "sudo apt-get install python3-venv" in done.stderr
    assert not (machine.checkout / ".venv").exists()


def test_a_pip_that_fails_is_not_taken_for_success(machine: Machine) -> None:
    python = 'case "$*" in *"pip --version"*) ;; *pip*install*) echo no index >&2; exit 1 ;; -) ;; esac'
    machine.install("fake", python)
    venv = 'mkdir -p "$3/bin" && ln -s "$0" "$3/bin/python"'
    machine.install("mkdir", f'exec {shutil.which("mkdir")} "$@"')
    machine.install("ln", f'exec {shutil.which("ln")} -s {machine.bin / "fake"} "$3"')
    machine.install("python3", f'if [ "$2" = venv ]; then {venv}; elif [ "$1" = --version ]; then echo Python 3.12; fi')
    for _ in range(2):
        done = machine.run("bash", "script/test")
        assert done.returncode == 3
        assert "no index" in done.stderr
        assert "pip could not install" in done.stderr


def working_nix(machine: Machine) -> None:
    for name in ("git", "nix", "nix-store"):
        machine.install(name, "exit 0")
    machine.install("nix-instantiate", '[ "$*" = "--eval --expr 1 + 1" ] || exit 9; echo 2')


def test_nix_is_configured_by_its_environment_alone(machine: Machine) -> None:
    working_nix(machine)
    done = machine.nix(NIX_CONFIG="cores = 3")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == ["cores = 3", "substituters =", "experimental-features = nix-command flakes"]
    assert lines[3:] == (["build-users-group =", "sandbox = false"] if os.geteuid() == 0 else [])


def test_without_git_it_says_what_to_install(machine: Machine) -> None:
    done = machine.nix()
    assert done.returncode == 3
    assert "no git on PATH" in done.stderr


@pytest.mark.skipif(any(map(Path.exists, FOUND_ANYWHERE)), reason="this machine has Nix where the script finds it")
def test_without_nix_it_says_what_to_install(machine: Machine) -> None:
    machine.install("git", "exit 0")
    done = machine.nix()
    assert done.returncode == 3
    assert "no Nix on PATH" in done.stderr
    assert "EkaCI needs Nix 2.8 or newer" in done.stderr


def test_nix_in_a_profile_is_found(machine: Machine) -> None:
    working_nix(machine)
    profile = machine.checkout.parent / ".nix-profile/bin"
    profile.mkdir(parents=True)
    for name in ("nix", "nix-store", "nix-instantiate"):
        (machine.bin / name).rename(profile / name)
    assert machine.nix().returncode == 0


def test_a_nix_that_cannot_reach_its_store_says_so(machine: Machine) -> None:
    working_nix(machine)
    machine.install("nix-instantiate", "echo 'error: cannot connect to socket' >&2; exit 1")
    done = machine.nix()
    assert done.returncode == 3
    assert "Nix does not work here: error: cannot connect to socket" in done.stderr
    assert "start nix-daemon" in done.stderr


def test_who_may_not_write_the_store_gets_one_for_the_demonstration(machine: Machine) -> None:
    working_nix(machine)
    machine.install(
        "nix-instantiate",
        'case "${NIX_STORE_DIR:-}" in */ekaci-nix/store) ;; *) echo "error: denied" >&2; exit 1;; esac',
    )
    assert machine.nix().returncode == 3

    done = machine.nix("or-private")

    assert done.returncode == 0, done.stderr
    assert "using a Nix store of its own" in done.stderr
    assert done.stdout.splitlines()[-2:] == ["sandbox = false", "build-users-group ="]


def memory_group(machine: Machine, **environment: str) -> subprocess.CompletedProcess[str]:
    script = '. script/lib/say.sh; . script/lib/memory.sh; ekaci_memory_group; printf "%s" "${TEST_MEMORY_GROUP:-none}"'
    return machine.run("bash", "-euc", script, **environment)


def test_a_memory_group_that_is_given_is_taken(machine: Machine) -> None:
    done = memory_group(machine, TEST_MEMORY_GROUP="/given")
    assert (done.stdout, done.stderr) == ("/given", "")


@pytest.mark.parametrize("takes", [True, False])
def test_a_memory_group_is_found_where_one_can_be_made_and_nothing_stays(
    machine: Machine, tmp_path: Path, *, takes: bool
) -> None:
    place = tmp_path / "groups"
    place.mkdir()
    (machine.bin / "sh").symlink_to(shutil.which("sh") or "")
    # What the kernel does: a group has its files when it is made, and they are no obstacle when it goes.
    limit = "memory.max" if takes else "cpu.max"
    machine.install("mkdir", f'{shutil.which("mkdir")} "$1" && echo max >"$1/{limit}" && echo >"$1/cgroup.procs"')
    machine.install("rmdir", f'{shutil.which("rm")} -r "$1"')
    machine.install("awk", f'printf "/nowhere\\n{place}\\n"')
    done = memory_group(machine)
    assert done.stdout == (str(place) if takes else "none")
    assert ("is skipped" in done.stderr) is not takes
    assert list(place.iterdir()) == []


def test_without_control_groups_it_is_said(machine: Machine) -> None:
    done = memory_group(machine)
    assert (done.returncode, done.stdout) == (0, "none")
    assert "no memory control group for tests" in done.stderr
