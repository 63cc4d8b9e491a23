"""A real server without forge, its real socket, and the real commands that use it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

pytestmark = [pytest.mark.nix, pytest.mark.timeout(180)]

PROGRAMS = Path(sys.executable).parent
EXAMPLES = Path(__file__).parents[2] / "examples"


@attrs.define
class Server:
    """A server's process in a folder of its own."""

    folder: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> Path:
        return self.folder / "run/ekaci.socket"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def begin(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "ekaci.toml").write_text(
            f"""
db_path = "{self.folder}/db/sqlite.db"
logs_dir = "{self.folder}/logs"
workspace_root = "{self.folder}/work"
shutdown_grace_seconds = 2

[web]
port = 0

[unix]
socket_path = "{self.place}"

[eval]
evaluator = "nix"
workers = 2

[security]
allow_insecure_webhooks = true
"""
        )
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(PROGRAMS / "eka-ci-server"), "--config-file", str(self.folder / "ekaci.toml")],
                env=dict(self.environment),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        self.begin()
        wait(lambda: "listening at" in self.log or self.ended is not None)
        assert self.ended is None, self.log

    @property
    def ended(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(30)

    def run(self, *arguments: str, expected: int = 0) -> str:
        """Run a command against it; returns standard output, or standard error where that is empty."""
        done = subprocess.run(
            [str(PROGRAMS / "ekaci"), *arguments],
            env={**self.environment, "EKA_CI_UNIX__SOCKET_PATH": str(self.place)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == expected, (done, self.log)
        assert "Traceback" not in done.stderr
        return done.stdout or done.stderr

    def json(self, *arguments: str, expected: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", expected=expected))

    def raw(self, request: bytes) -> Any:
        with self.connected() as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return answer_of(connection)

    def connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(30)
        connection.connect(str(self.place))
        return connection


def answer_of(connection: socket.socket) -> Any:
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return json.loads(b"".join(parts))


def wait(holds: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture
def server(tmp_path: Path, nix_environment: Mapping[str, str]) -> Iterator[Server]:
    made = Server(tmp_path / "server", {**os.environ, **nix_environment})
    made.folder.mkdir()
    yield made
    if made.process is not None and made.ended is None:
        made.stop(signal.SIGKILL)


@pytest.fixture
def packages(tmp_path: Path, nix_environment: Mapping[str, str]) -> Path:
    """A git repository of the example package set; its derivations are new each time."""
    path = tmp_path / "some packages"
    shutil.copytree(EXAMPLES / "package-set", path)
    lib = path / "lib.nix"
    lib.write_text(lib.read_text().replace('echo "building $name"', f'echo "building $name {uuid.uuid4().hex}"'))
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "The package set")):
        subprocess.run(["git", *arguments], cwd=path, env=dict(nix_environment), check=True)
    return path


def test_the_socket_is_for_owner_and_group_and_garbage_harms_nobody(server: Server) -> None:
    server.start()
    assert stat.S_IMODE(server.place.stat().st_mode) == 0o660
    assert server.raw(b'{"type": "Info"}') == {"Info": {"status": "Active", "version": server.json("info")["version"]}}
    hanging = [server.connected() for _ in range(20)]
    gone = server.connected()
    gone.sendall(b'{"type": "Status"}')
    gone.close()
    garbage = (b"", b"\0\xff", b"[" * 500_000, b'"Info"', b"{}", b'{"type": 3}', b'{"type": "Inf"}', b"9" * 10_000)
    for request in (*garbage, b'{"type": "Info", "more": 1}', b'{"type": "Jobset", "review": 99999999999999999999}'):
        fault = server.raw(request)["Error"]
        assert fault["exit_status"] == 2, (request, fault)
        assert fault["what"]
    assert "longer than" in server.raw(b" " * 1_500_000)["Error"]["what"]
    assert "did you mean" in server.raw(b'{"type": "Inf"}')["Error"]["what"]
    assert server.run("info").startswith("Active")
    for each in hanging:
        each.close()
    assert server.stop() == 0
    assert not server.place.exists()
    assert "Traceback" not in server.log


def test_what_the_commands_say_without_a_forge(server: Server) -> None:
    server.start()
    status = server.json("status")
    assert (status["status"], status["reviews"], status["forges"]) == ("Active", {}, [])
    assert status["builders"][0]["name"] == "local"
    assert status["store"]["bytes"] > 0
    assert status["graph"]["eka_ci_graph_cache_capacity"] == 100_000
    assert "builder" in server.run("status")
    assert server.json("prs") == server.json("jobs", "abcdef12") == server.json("deliveries", "list") == []
    assert server.json("approved-users") == server.json("forge", "check") == []
    assert server.json("forge", "setup") == []
    assert "no forge 'nowhere' is configured" in server.run("forge", "setup", "nowhere", expected=2)
    assert server.json("hooks") == server.json("hooks", "list", "--state", "failed") == []
    assert "No hook was run" in server.run("hooks", "list")
    assert server.json("forge", "setup") == []
    assert "no forge 'nowhere' is configured" in server.run("forge", "setup", "nowhere", expected=2)
    for words in (("jobset", "7"), ("deliveries", "show", "7"), ("deliveries", "replay", "7")):
        assert "has the number 7" in server.run(*words, expected=2)
    assert "no forge is configured" in server.run("approve", "octo/packages", "7", expected=2)
    assert "no forge is configured" in server.run("approve-user", "ada", expected=2)
    assert "no configured forge" in server.run("github", "github.com", "octo", "packages", "7", expected=2)
    assert "no configured forge" in server.run("git", "github.com", "octo", "packages", "main", expected=2)


def test_a_directory_and_a_file_are_evaluated_and_built(server: Server, packages: Path) -> None:
    server.start()
    (packages / "pkgs/fresh.nix").write_text('{ mkPackage }: mkPackage { pname = "fresh"; version = "1"; }')
    found = server.json("repo", str(packages), "--wait", expected=1)
    states = {each["attr"]: each["head_state"] for each in found["packages"]}
    assert states["fresh"] == "Success", "what is not committed counts"
    assert states["rusty"] == "Failure"
    review = found["review"]
    assert (review["repository"], review["decision"], review["live"]) == (str(packages), "do_not_merge", False)
    assert server.json("repo", str(packages))["id"] == review["id"], "nothing has changed"
    (again,) = server.json("jobs", review["sha"][:9])
    assert again["jobs"][0]["job"] == "packages"
    assert "rusty" in server.run("jobset", str(review["id"]))
    result = server.raw(json.dumps({"type": "Review", "id": review["id"]}).encode())["Review"]["result"]
    assert result["format_version"] == 1
    one = server.json("job", str(packages / "pkgs/../default.nix"), "--wait", expected=1)
    assert one["review"]["file"] == "default.nix"
    assert {each["job"] for each in one["packages"]} == {"default"}
    failed = next(each["head_drv"] for each in found["packages"] if each["attr"] == "rusty")
    status = json.loads(server.run("build", failed, "--on-server", "--force", "--format", "json", expected=1))
    assert (status["status"], status["failures"]) == ("Failure", 2)
    assert status["since"] > review["changed_at"], "it was built again"
    assert "git" in server.run("repo", str(server.folder), expected=2)
    assert (
        "do not merge" in server.run("status") or "3 done" in server.run("status") or "2 done" in server.run("status")
    )


def test_derivations_are_built_on_the_server(server: Server, tmp_path: Path) -> None:
    expression = tmp_path / "two.nix"
    flag = tmp_path / "flag"
    expression.write_text(
        f"""
let
  make = name: text: derivation {{
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = ["-c" text];
    salt = "{uuid.uuid4().hex}";
  }};
  below = make "below" "test -e {flag} && echo built > $out";
in make "above" "echo ${{below}} > $out"
"""
    )
    made = subprocess.run(
        ["nix-instantiate", str(expression)], env=dict(server.environment), capture_output=True, text=True, check=True
    )
    drv = made.stdout.strip()
    server.start()
    build = ("build", drv, "--on-server", "--format", "json")
    status = json.loads(server.run(*build, expected=1))
    assert status["status"] == "TransitiveFailure"
    (below,) = status["failed_dependencies"]
    flag.touch()
    assert json.loads(server.run(*build, "--force", expected=1))["status"] == "TransitiveFailure"
    assert "because of" in server.run("build", drv, "--on-server", expected=1)
    assert json.loads(server.run(*build, "--rebuild-all"))["status"] == "Success"
    assert "Success" in server.run("build", below, "--socket", str(server.place))
    assert "no such derivation" in server.run("build", "0" * 32 + "-x.drv", "--on-server", expected=2)
    assert "--jobs-at-once" in server.run(*build, "-j", "2", expected=2)
    never = server.raw(json.dumps({"type": "DrvStatus", "drv_path": "/nix/store/" + "0" * 32 + "-x.drv"}).encode())
    assert never == {"DrvStatus": None}


def test_a_directory_without_configuration_is_told(server: Server, packages: Path) -> None:
    server.start()
    shutil.rmtree(packages / ".eka-ci")
    text = server.run("repo", str(packages), "--wait", expected=1)
    assert "no job is configured" in text


def test_a_server_that_stops_begins_nothing_and_the_next_one_goes_on(server: Server, packages: Path) -> None:
    server.start()
    slow = packages / "pkgs/slow.nix"
    slow.write_text('{ mkPackage }: mkPackage { pname = "slow"; version = "1"; build = "/bin/sleep 300"; }')
    review = server.json("repo", str(packages))
    assert review["live"]
    assert review["state"] in ("queued", "evaluating"), "it begins at once"
    wait(lambda: server.json("status")["builders"][0]["used"] == 1 and is_building(server, review["id"]))
    queued = json.loads(server.run("queue", "--socket", str(server.place), "--format", "json"))
    assert [(each["state"], each["why"]) for each in queued["entries"]] == [("Building", "builds on local")]
    assert "slow-1" in server.run("queue", "--on-server")
    with subprocess.Popen(
        [str(PROGRAMS / "ekaci"), "repo", str(packages), "--wait", "--socket", str(server.place)],
        env=dict(server.environment),
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr is not None
        assert "building" in waiting.stderr.readline()
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        wait(lambda: server.json("info")["status"] == "Stopping")
        assert "the server is stopping" in server.run("repo", str(packages), expected=3)
        assert server.json("jobs", review["sha"])[0]["review"]["live"]
        assert server.process.wait(30) == 0
        assert "ekaci:" in waiting.communicate(timeout=30)[1]
        assert waiting.returncode == 3
    server.start()
    wait(lambda: is_building(server, review["id"]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_who_waits_for_a_build_hears_that_it_ended_with_the_server(server: Server, tmp_path: Path, number: int) -> None:
    server.start()
    file = tmp_path / "slow.nix"
    made = f'name = "slow-{uuid.uuid4().hex}"; system = "x86_64-linux"; builder = "/bin/sh";'
    file.write_text(f'derivation {{ {made} args = [ "-c" "/bin/sleep 300" ]; }}')
    instantiated = ["nix-instantiate", str(file)]
    drv = subprocess.run(instantiated, env=dict(server.environment), check=True, capture_output=True, text=True)
    with subprocess.Popen(
        [str(PROGRAMS / "ekaci"), "build", drv.stdout.strip(), "--on-server", "--socket", str(server.place)],
        env=dict(server.environment),
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        wait(lambda: server.json("status")["builders"][0]["used"] == 1)
        assert server.process is not None
        server.process.send_signal(number)
        said = waiting.communicate(timeout=60)[1]
        assert "the server has stopped, and what was asked of it here ends with it" in said
        assert "ask again once it runs" in said
        assert waiting.returncode == 3


def is_building(server: Server, review: int) -> bool:
    found = server.json("jobset", str(review))["review"]
    return bool(found["state"] == "building")


def test_a_second_server_is_refused_and_a_dead_ones_socket_replaced(server: Server, tmp_path: Path) -> None:
    server.start()
    second = Server(tmp_path / "second", server.environment)
    second.folder.mkdir()
    (second.folder / "run").symlink_to(server.folder / "run")
    second.begin()
    wait(lambda: second.ended is not None)
    assert second.ended == 2
    assert "another server listens at this socket" in second.log
    assert server.run("info").startswith("Active")
    server.stop(signal.SIGKILL)
    assert server.place.exists()
    assert "left by a server that has ended" in server.run("info", expected=3)
    server.start()
    assert server.run("info").startswith("Active")


def test_what_is_no_socket_is_not_removed(server: Server) -> None:
    server.place.parent.mkdir()
    server.place.write_text("precious")
    server.begin()
    wait(lambda: server.ended is not None)
    assert server.ended == 2
    assert "is no socket" in server.log
    assert server.place.read_text() == "precious"


def test_without_a_server_one_line_says_what_to_do(server: Server, tmp_path: Path) -> None:
    for command in (("info",), ("status",), ("prs",), ("forge", "check"), ("deliveries", "list")):
        text = server.run(*command, expected=3)
        assert "no server runs here" in text
        assert "eka-ci-server" in text
    assert str(tmp_path / "x") in server.run("info", "--socket", str(tmp_path / "x"), expected=3)


@pytest.mark.parametrize("name", ["ekaci.socket", "ekaci/ekaci.socket", "ekaci.sock"])
def test_the_usual_places_are_tried(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
        with subprocess.Popen([str(PROGRAMS / "ekaci"), "info"], env=environment, stdout=subprocess.PIPE) as client:
            connection, _ = listening.accept()
            with connection:
                asked = b""
                while part := connection.recv(1000):
                    asked += part
                connection.sendall(b'{"Info": {"status": "Active", "version": "7"}}')
            assert json.loads(asked) == {"type": "Info"}
            assert client.communicate(timeout=30)[0] == b"Active, version 7\n"
