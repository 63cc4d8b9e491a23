"""Reviews as processes that build on another machine, as the configuration file says."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from tests.nix.conftest import EKACI, Finished

if TYPE_CHECKING:
    from tests.plugins.ekaci_builder_ssh.conftest import RemoteMachine

pytestmark = pytest.mark.nix

_SET = """\
let
  make = name: inputs: script: derivation {{
    inherit name inputs;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" ": {salt}; ${{script}}" ];
  }};
in rec {{
  library = make "library" [ ] "echo building the library; echo 1 > $out";
  program = make "program" [ library ] "read one < ${{library}}; echo building the program; echo $one > $out";
}}
"""


@attrs.frozen
class Reviewed:
    """A repository whose change is a new package, and what it takes to review it."""

    path: Path
    environment: Mapping[str, str]

    def configure(self, text: str) -> Path:
        """Write the configuration file."""
        file = Path(self.environment["EKA_CI_CONFIG_FILE"])
        file.write_text(text)
        return file

    def review(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
        """Review to the end."""
        done = subprocess.run(
            [EKACI, "review", "--file", "set.nix", "--base", "main", "--retry-pause", "0.1", *arguments],
            cwd=self.path,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def derivations(self) -> dict[str, str]:
        """The derivations by name."""
        asked = ["nix-instantiate", "set.nix"]
        done = subprocess.run(
            asked, cwd=self.path, env=dict(self.environment), capture_output=True, text=True, check=True
        )
        return {path.rpartition("-")[2].removesuffix(".drv"): path for path in done.stdout.split()}

    def query(self, *words: str) -> str:
        """Ask the local store."""
        done = subprocess.run(
            ["nix-store", "--query", *words], env=dict(self.environment), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def built_here(self, output: str) -> bool:
        """Whether the local store says that it built this itself."""
        asked = ["nix", "path-info", "--json", output]
        done = subprocess.run(asked, env=dict(self.environment), capture_output=True, text=True, check=True)
        return json.loads(done.stdout)[0].get("ultimate") is True


@pytest.fixture
def reviewed(remote: RemoteMachine, tmp_path: Path) -> Reviewed:
    path = tmp_path / "set"
    path.mkdir()
    environment = {
        **remote.environment,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "EKA_CI_CONFIG_FILE": str(tmp_path / "ekaci.toml"),
    }
    (tmp_path / "ekaci.toml").touch()

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=path, env=environment, check=True, capture_output=True)

    git("init", "--quiet", "--initial-branch=main")
    (path / "set.nix").write_text("{ }\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "Nothing")
    git("switch", "--quiet", "--create", "change")
    (path / "set.nix").write_text(_SET.format(salt=uuid.uuid4().hex))
    git("commit", "--quiet", "--all", "--message", "Two packages")
    return Reviewed(path, environment)


def table(remote: RemoteMachine, **keys: Any) -> str:
    written = {
        "uri": remote.uri("ssh-ng"),
        "ssh_key": str(remote.user_key),
        "host_key": remote.host_key.strip(),
        **keys,
    }
    return "\n".join(["[[builders]]", *(f"{key} = {json.dumps(value)}" for key, value in written.items()), ""])


NOT_HERE = "local_max_jobs = 0\n"


def remote_log(remote: RemoteMachine, drv: str) -> list[Path]:
    name = Path(drv).name
    return list((remote.store / "nix/var/log/nix/drvs" / name[:2]).glob(f"{name[2:]}*"))


def test_a_review_builds_on_the_configured_machine_alone(reviewed: Reviewed, remote: RemoteMachine) -> None:
    reviewed.configure(NOT_HERE + table(remote, max_jobs=2))
    finished = reviewed.review("--format", "json")
    assert finished.status == 0, finished.stdout + finished.stderr
    assert finished.document["verdict"] == "merge"
    states = {each["attr"]: each["head_state"] for each in finished.document["attributes"]}
    assert states == {"library": "Success", "program": "Success"}
    for drv in reviewed.derivations().values():
        assert remote_log(remote, drv), "the machine's own log has the build"
        output = reviewed.query("--outputs", drv)
        assert Path(output).exists()
        assert not reviewed.built_here(output)


def test_logs_of_other_machines_are_bounded_too(reviewed: Reviewed, remote: RemoteMachine) -> None:
    reviewed.configure(NOT_HERE + "[retention]\nlog_max_bytes = 65536\n" + table(remote))
    nine = "1 2 3 4 5 6 7 8 9"
    lines = f"for i in {nine}; do for j in {nine}; do echo $x; done; done"
    long = f"x=0123456789; for i in 1 2 3 4 5; do x=$x$x$x; done; {lines}"
    text = (reviewed.path / "set.nix").read_text()
    (reviewed.path / "set.nix").write_text(text.replace("echo building the library", f"{long}; echo end"))
    finished = reviewed.review("--worktree")
    assert finished.status == 0, finished.stdout + finished.stderr
    told = subprocess.run(
        [EKACI, "logs", reviewed.derivations()["library"]],
        env=dict(reviewed.environment),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "bytes of this log were left out here" in told.stdout


def test_a_machine_that_refuses_us_costs_a_try_elsewhere(reviewed: Reviewed, remote: RemoteMachine) -> None:
    away = remote.uri("ssh-ng").replace("127.0.0.1", "127.0.0.9")  # nobody listens there
    reviewed.configure(NOT_HERE + table(remote, uri=away, speed_factor=9.0, max_jobs=4) + table(remote))
    finished = reviewed.review("--format", "json")
    assert finished.status == 0, finished.stdout + finished.stderr
    assert finished.document["verdict"] == "merge"
    assert all(remote_log(remote, drv) for drv in reviewed.derivations().values())


def test_machines_of_nix_are_found_once_and_disabled_plugins_are_not_asked(
    reviewed: Reviewed, remote: RemoteMachine, tmp_path: Path
) -> None:
    machines = tmp_path / "machines"
    uri = remote.uri("ssh-ng")
    missing = tmp_path / "no_key"
    machines.write_text(f"{uri} - {remote.user_key}\nssh-ng://127.0.0.9 - {missing}\n")
    nix = {"NIX_CONFIG": f"{reviewed.environment['NIX_CONFIG']}\nbuilders = @{machines}"}
    reviewed.configure(NOT_HERE)
    disabled = reviewed.review(environment={**nix, "EKACI_DISABLED_PLUGINS": "builder-ssh"})
    assert disabled.status == 3, disabled.stdout + disabled.stderr
    assert "there is no builder" in disabled.stderr

    reviewed.configure(NOT_HERE + table(remote))
    finished = reviewed.review("--format", "json", environment=nix)
    assert finished.status == 0, finished.stdout + finished.stderr
    (note,) = [note for note in finished.document["notes"] if "cannot be used" in note]
    assert "builder ssh-ng://127.0.0.9 cannot be used" in note
    assert str(missing) in note
    assert all(remote_log(remote, drv) for drv in reviewed.derivations().values())


def test_what_is_wrong_in_the_file_is_named_before_anything_is_done(reviewed: Reviewed, remote: RemoteMachine) -> None:
    file = reviewed.configure(table(remote) + table(remote, max_jobs="many") + '[[builders]]\ntype = "shh"\n')
    finished = reviewed.review()
    assert finished.status == 2
    assert 'builders[1].max_jobs: expected a whole number, got "many"' in finished.stderr
    assert "builders[2].type: no active plugin registers this builder" in finished.stderr
    assert "local, ssh" in finished.stderr
    assert str(file) in finished.stderr

    reviewed.configure(NOT_HERE + table(remote) + table(remote, speed_factor=-1))
    finished = reviewed.review()
    assert finished.status == 2
    assert "builders[1].speed_factor: must be greater than 0" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_where_nobody_is_left_to_build_the_machine_is_at_fault(
    reviewed: Reviewed, remote: RemoteMachine, tmp_path: Path
) -> None:
    file = reviewed.configure(
        '[[builders]]\ntype = "local"\nslots = 0\n'
        + table(remote, ssh_key=str(tmp_path / "no_key"))
        + table(remote, uri="ssh-ng://127.0.0.9", ssh_key=str(tmp_path / "neither"))
    )
    finished = reviewed.review()
    assert finished.status == 3, finished.stdout
    for said in ("there is no builder", str(file), "no_key", "neither", "[[builders]]"):
        assert said in finished.stderr
