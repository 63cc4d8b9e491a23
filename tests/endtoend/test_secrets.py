"""Planted secrets in a real server: builds print them in every form, plugins crash with them; nobody can read one."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from tests.endtoend.processes import Sampled, recording_git, sampled
from tests.endtoend.service import SECRET, Scene
from tests.standins.canaries import found_below, found_in, shapes

pytestmark = [pytest.mark.nix, pytest.mark.timeout(240)]

EKACI = str(Path(sys.executable).parent / "ekaci")
SALT = uuid.uuid4().hex  # processes of another run of these tests hold other secrets
TOKEN = f"canary/{SALT}+with=signs&all"
# No words: other tests that run beside these have canaries of their own in environments.
CLIENT = f"{SALT}client{SALT[::-1]}"
SESSIONS = f"{SALT[::-1]}signs{SALT}"
REGION = "eu-9"
SETTINGS = f"""
[oauth]
client_id = "canary-free"
client_secret = "{CLIENT}"
"""


def secrets_of(scene: Scene) -> list[str]:
    return [TOKEN, CLIENT, SESSIONS, SECRET, scene.app.private_key, *scene.github.world.issued]


def planted(scene: Scene) -> Mapping[str, str]:
    return {
        "GITHUB_APP_ID": str(scene.app.id),
        "GITHUB_APP_PRIVATE_KEY": scene.app.private_key,
        "NIX_CANARY_TOKEN": TOKEN,
        "CANARY_REGION": REGION,
        "JWT_SECRET": SESSIONS,
    }


@pytest.fixture
def leaky(scene: Scene, tmp_path: Path) -> Scene:
    """A server with secrets in its environment, and a package whose build prints them and fails."""
    leaks = tmp_path / "leaks"
    leaks.mkdir()
    plant(leaks, [scene.app.private_key, TOKEN, CLIENT, SESSIONS, SECRET])
    service = scene.service
    (tmp_path / "crashes").mkdir()
    words = recording_git(tmp_path / "git", str(shutil.which("git")))
    path = f"{words.parent}:{service.environment['PATH']}"
    service.environment = {
        **service.environment, **planted(scene), "PATH": path, "TMPDIR": str(tmp_path / "crashes"),
    }  # fmt: skip
    service.settings = SETTINGS
    names = ["GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY", "NIX_CANARY_TOKEN", "CANARY_REGION"]
    service.credentials = f"{{ env = {{ vars = {json.dumps(names)} }} }}"
    return scene


def plant(leaks: Path, values: list[str]) -> None:
    """Write down every form of secrets for the build to print."""
    for text in (text for value in values for text in shapes(value).values()):
        (leaks / f"{len(list(leaks.iterdir())):03}").write_text(f"{text}\n")


def leaking_package(leaks: Path) -> str:
    lines = [
        f"for each in {leaks}/*; do",
        "  /bin/cat $each",
        "  /bin/cat $each >&2",
        "  /bin/dd if=$each bs=7 2>/dev/null",
        "done",
        "/usr/bin/env",
        f"echo region {REGION} {TOKEN[:6]}",
        f'while read -r line; do echo "log> $line"; done < {leaks}/000',
        "exit 3",
    ]
    script = "\n".join(lines).replace("''", "'''").replace("${", "''${")
    return f"{{ mkPackage }}: mkPackage {{ pname = \"leaky\"; version = \"1\"; build = ''\n{script}\n''; }}\n"


def run(scene: Scene, *arguments: str, expected: int = 0) -> bytes:
    service = scene.service
    environment = {**service.environment, "EKA_CI_UNIX__SOCKET_PATH": str(service.folder / "sock")}
    done = subprocess.run([EKACI, *arguments], env=environment, capture_output=True, check=False, timeout=120)
    assert done.returncode == expected, done
    assert b"Traceback" not in done.stderr, done
    return done.stdout + done.stderr


def web_answers(scene: Scene) -> bytes:
    answers = []
    for path, body in (("/healthz", None), ("/readyz", None), ("/none", None), ("/github/webhook", b"{}")):
        request = Request(scene.service.url + path, data=body, headers={"X-GitHub-Event": "ping"})  # noqa: S310 - ours
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310 - ours
                answers.append(str(answer.headers).encode() + answer.read())
        except HTTPError as error:
            answers.append(str(error.headers).encode() + error.read())
    return b"\n".join(answers)


def test_what_builds_print_and_the_server_holds_can_be_read_nowhere(leaky: Scene, tmp_path: Path) -> None:
    scene, service = leaky, leaky.service
    with sampled() as seen:
        service.start()
        scene.people.push(scene.place, {"README.md": "words\n"}, branch="words")
        first = scene.people.open_pull(scene.place, "words", author="ada")
        service.verdict(scene.place, first.head_sha, "success")
        plant(tmp_path / "leaks", list(scene.github.world.issued))
        scene.people.push(scene.place, {"pkgs/leaky.nix": leaking_package(tmp_path / "leaks")}, branch="leak")
        pull = scene.people.open_pull(scene.place, "leak", author="ada")
        service.verdict(scene.place, pull.head_sha, "failure")
        service.wait(lambda: "leaky / New (packages)" in service.checks(scene.place, pull.head_sha))
    secrets = secrets_of(scene)
    assert scene.github.world.issued, "there were tokens to print"
    told = {each: run(scene, *each.split()) for each in commands(scene, pull.head_sha)}
    assert b"NIX_CANARY_TOKEN" in told["credentials reload"], "names are shown"
    assert b"[REDACTED]" in told[next(each for each in told if each.startswith("config show"))]
    told |= {"the web": web_answers(scene), "the server's log": service.log.encode()}
    told["what GitHub was told"] = json.dumps([each.body for each in scene.github.world.seen]).encode()
    log = build_log(scene)
    assert log.count("[REDACTED]") > 100
    assert f"region {REGION} {TOKEN[:6]}" in log, "short values and beginnings are no secrets"
    assert "[REDACTED]" in (service.checks(scene.place, pull.head_sha)["leaky / New (packages)"].text or "")
    assert "GITHUB_APP_PRIVATE_KEY" not in log, "builds do not have the server's environment"
    found = [each for name, text in told.items() for each in found_in(name, text, secrets)]
    running = service.folder / "db"
    assert any(path.name.endswith("-wal") for path in running.iterdir())
    configuration = {service.folder / "key.pem"}
    found += found_below(running, secrets)
    assert service.stop() == 0
    found += found_below(service.folder, secrets, but=configuration | {service.folder / "ekaci.toml"})
    found += [each for path in [tmp_path / "crashes"] for each in looked_through(path, secrets)]
    assert found == []
    assert visible(seen, service.folder, secrets) == []
    assert "http.extraHeader" not in (tmp_path / "git/words").read_text()
    assert found_in("git's words", (tmp_path / "git/words").read_bytes(), secrets) == []


def build_log(scene: Scene) -> str:
    """Read what the build printed, as it was kept."""
    [(path,)] = scene.service.ask("SELECT path FROM derivation WHERE path LIKE '%-leaky-1'")
    [kept] = (scene.service.folder / "logs" / str(path)[:32]).iterdir()
    content = kept.read_bytes()
    return (gzip.decompress(content) if kept.suffix == ".gz" else content).decode()


def commands(scene: Scene, sha: str) -> list[str]:
    config = f"--config-file {scene.service.folder}/ekaci.toml"
    [(review,)] = scene.service.ask(f"SELECT id FROM review WHERE head_sha = '{sha}'")  # noqa: S608 - ours
    plain = [
        "status", "prs", f"jobs {sha}", f"jobset {review}", "deliveries list", "forge check", "approved-users",
        "credentials reload", f"config show {config}", f"credentials test {config}",
    ]  # fmt: skip
    shown = [f"deliveries show {number}" for (number,) in scene.service.ask("SELECT id FROM delivery LIMIT 3")]
    return [*plain, *shown, *(f"{each} --json" for each in [*plain, *shown])]


def looked_through(folder: Path, secrets: list[str]) -> list[str]:
    return found_below(folder, secrets) if any(path.is_file() for path in folder.rglob("*")) else []


def visible(seen: Sampled, folder: Path, secrets: list[str]) -> list[str]:
    """Secrets that stood in command lines, or in the environment of anybody but the server; git has its token."""
    assert seen.looks > 20
    assert any(b"git" in command for command in seen.commands)
    found = found_in("command lines", b"\n".join(seen.commands), secrets)
    servers = f"--config-file\0{folder}/ekaci.toml".encode()
    for command, environment in seen.environments:
        if servers in command:
            continue
        git = b"git" in command
        held = [each for each in secrets if each != SECRET and not (git and each.startswith("ghs_"))]
        if str(folder.parent).encode() in environment:
            held.append(SECRET)  # which every server of these tests has
        found += found_in(f"environment of {command!r}", environment, held)
    return found


PLUGIN = """
from contextlib import asynccontextmanager
import anyio
import attrs
from ekaci_core.api import Lease, Secret
from ekaci_core.hookspecs import hookimpl

EKACI_PLUGIN_API = 1


@attrs.frozen
class Settings:
    how: str


class Source:
    def __init__(self, how, environment):
        self.how, self.environment, self.asked = how, environment, 0
        self.crashing = anyio.Event()

    async def crash(self):
        await self.crashing.wait()
        said = f"cannot go on with {self.environment}"
        raise BaseExceptionGroup("several", [KeyError(said), SystemExit(said)])

    async def resolve(self):
        self.asked += 1
        names = ("GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY", "NIX_CANARY_TOKEN")
        secrets = {name: self.environment[name] for name in names}
        if self.asked > 1:
            said = f"cannot use {secrets}"
            if self.how == "group":
                raise BaseExceptionGroup("several", [KeyError(said), SystemExit(said)])
            if self.how == "background":
                self.crashing.set()
                await anyio.sleep_forever()
            raise SystemExit(said) if self.how == "exit" else RuntimeError(said)
        return Lease({name: Secret(value) for name, value in secrets.items()})


class Type:
    name = "leaky"
    config = Settings

    @asynccontextmanager
    async def open(self, config, context):
        source = Source(config.how, context.environment)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(source.crash)
            yield source
            tasks.cancel_scope.cancel()


@hookimpl
def ekaci_register_credential_types():
    return (Type(),)
"""


@pytest.fixture
def crashing(leaky: Scene, tmp_path: Path) -> Scene:
    """A plugin, installed as any other, that raises what it holds when it is asked for the second time."""
    folder = tmp_path / "plugin"
    information = folder / "leaky-1.dist-info"
    information.mkdir(parents=True)
    (folder / "leaky_plugin.py").write_text(PLUGIN)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[ekaci.plugins]\nleaky = leaky_plugin\n")
    leaky.service.environment = {**leaky.service.environment, "PYTHONPATH": str(folder)}
    return leaky


@pytest.mark.parametrize("how", ["error", "exit", "group", "background"])
def test_a_plugin_that_raises_what_it_holds_shows_it_to_nobody(crashing: Scene, tmp_path: Path, how: str) -> None:
    service = crashing.service
    service.credentials = f'{{ leaky = {{ how = "{how}" }} }}'
    service.start()
    process = service.process
    assert process is not None
    told = [run(crashing, "credentials", "reload", expected=3)]
    if how != "background":
        assert b"RuntimeError" in told[0]
        told.append(run(crashing, "credentials", "test", "--config-file", str(service.folder / "ekaci.toml")))
        assert service.stop() == 0
    else:
        service.process = None
        assert process.wait(60) not in (0, 1), "1 would be a verdict"
        assert "a defect of EkaCI" in service.log
        assert any("SystemExit" in path.read_text() for path in (tmp_path / "crashes").glob("ekaci-defect-*"))
    secrets = secrets_of(crashing)
    found = [each for text in told for each in found_in("a command", text, secrets)]
    found += found_below(service.folder, secrets, but={service.folder / "key.pem", service.folder / "ekaci.toml"})
    assert found + looked_through(tmp_path / "crashes", secrets) == []
