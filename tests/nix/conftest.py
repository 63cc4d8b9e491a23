"""What is reviewed: the example package set and its pull request; what is built: derivations that end in every way."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest

from ekaci_core.builtin.local_builder import LocalBuilder, LocalBuilderConfig, LocalBuilderType
from ekaci_core.bus import Broadcast
from ekaci_core.model.build import Build, BuildState
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.evaluation import EvaluationKey
from ekaci_core.model.ids import DrvPath, TreeHash
from ekaci_core.nix.dry_run import build_plan
from ekaci_core.nix.records import read_closure
from ekaci_core.process import run
from ekaci_core.scheduler import Backoff, Scheduler, SchedulerSettings, Wanted
from ekaci_core.store import Store, open_store
from ekaci_core.store.contract import Attempt
from ekaci_core.testing.builders import RealClock, SilentLogger, plugin_context

EXAMPLES = Path(__file__).parents[2] / "examples"
EKACI = str(Path(sys.executable).parent / "ekaci")


@attrs.frozen
class Finished:
    """How ``ekaci`` ended. A negative status is the signal that ended it."""

    status: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The report, where it was asked for as JSON."""
        loaded: dict[str, Any] = json.loads(self.stdout)
        return loaded


@attrs.frozen
class ReviewedRepository:
    """A git repository, and ``ekaci review`` to run on it as a person would: the real command in a process."""

    path: Path
    environment: Mapping[str, str]

    @property
    def cache(self) -> Path:
        """Where reviews keep what they know."""
        return Path(self.environment["XDG_CACHE_HOME"]) / "ekaci"

    def git(self, *arguments: str) -> str:
        """Run git and return what it printed."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=dict(self.environment), check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str, files: Mapping[str, str | None]) -> None:
        """Write these files (None removes one) and commit."""
        for name, text in files.items():
            target = self.path / name
            if text is None:
                target.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a review in a session of its own."""
        return subprocess.Popen(
            [EKACI, "review", *arguments],
            cwd=self.path,
            env={**self.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def review(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Finished:
        """Review to the end."""
        process = self.start(*arguments, environment=environment)
        stdout, stderr = process.communicate(timeout=100)
        return Finished(process.returncode, stdout, stderr)

    def logs(self, *arguments: str) -> Finished:
        """Print a log."""
        done = subprocess.run(
            [EKACI, "logs", *arguments], env=dict(self.environment), capture_output=True, text=True, check=False
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def review_killed_at(self, line: str, *arguments: str) -> Finished:
        """Review, and kill the process, as a power cut would, when this line of progress appears."""
        process = self.start(*arguments)
        assert process.stderr is not None
        seen = []
        for told in process.stderr:
            seen.append(told)
            if told.startswith(line):
                process.send_signal(signal.SIGKILL)
                break
        stdout, rest = process.communicate(timeout=100)
        return Finished(process.returncode, stdout, "".join(seen) + rest)


@pytest.fixture
def empty_repository(tmp_path: Path, nix_environment: Mapping[str, str]) -> ReviewedRepository:
    """A repository without a commit, and a cache of its own."""
    path = tmp_path / "set"
    path.mkdir()
    environment = {**nix_environment, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    repository = ReviewedRepository(path, environment)
    repository.git("init", "--quiet", "--initial-branch=main")
    return repository


@pytest.fixture
def package_set(empty_repository: ReviewedRepository) -> ReviewedRepository:
    """The example package set on ``main`` and its pull request, checked out.

    Its derivations are new each time: what an earlier run left in the store is of no use.
    """
    repository = empty_repository
    shutil.copytree(EXAMPLES / "package-set", repository.path, dirs_exist_ok=True)
    lib = repository.path / "lib.nix"
    text = lib.read_text()
    assert text.count('echo "building $name"') == 1
    assert text.count('echo "fetching $name"') == 1
    salt = uuid.uuid4().hex
    text = text.replace('echo "building $name"', f'echo "building $name {salt}"')
    lib.write_text(text.replace('echo "fetching $name"', f'echo "fetching $name {salt}"'))
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", "The package set")
    repository.git("switch", "--quiet", "--create", "pull-request")
    repository.git("apply", "--index", str(EXAMPLES / "pull-request.patch"))
    repository.git("commit", "--quiet", "--message", "A bit of everything")
    return repository


_PATIENCE_SECONDS = 60

# MARK makes the derivations new to the store; every one has a dependent of its own. FOLDER is outside of the store.
EXPRESSION = """
let
  make = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" ": MARK; ${script}" ];
  };
  builds = {
    silent = make "silent" "echo begun; while :; do :; done";
    talkative = make "talkative" "i=0; while :; do i=$((i+1)); [ $((i % 20000)) = 0 ] && echo tick; done";
    killed = make "killed" "echo begun; kill -9 $$";
    hungry = make "hungry" "echo oom_kill 1 > FOLDER/events; kill -9 $$";
    compiler = make "compiler" "echo oom_kill 1 > FOLDER/events; echo Killed signal terminated program cc1; exit 2";
    poser = make "poser" "echo Killed; echo curl: '(6)' Could not resolve host: x; exit 2";
    greedy = make "greedy" "ulimit -v 1000000; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";
    once = make "once" "[ -e FOLDER/tried ] || { echo > FOLDER/tried; exit 3; }; echo > $out";
    fetched = derivation {
      name = "fetched-MARK";
      system = "builtin";
      builder = "builtin:fetchurl";
      url = "http://127.0.0.1:PORT/fetched";
      outputHashMode = "flat";
      outputHash = builtins.hashString "sha256" "MARK";
      outputHashAlgo = "sha256";
      preferLocalBuild = true;
      executable = false;
      unpack = false;
    };
  };
in builds // builtins.listToAttrs (map (name: {
  name = "on-${name}";
  value = make "on-${name}" "read line < ${builds.${name}}; echo > $out";
}) (builtins.attrNames builds))
"""


def processes(text: str) -> list[int]:
    """Processes that have the text in their command line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            if text.encode() in file.read_bytes():
                found.append(int(file.parent.name))
    return found


@attrs.frozen
class BuildBench:
    store: Store
    builder: LocalBuilder
    folder: Path
    environment: dict[str, str]
    paths: dict[str, DrvPath]
    mark: str
    port: int
    settings: SchedulerSettings = SchedulerSettings(backoff=Backoff(first_seconds=0.05, attempts=2))

    def scheduler(self, settings: SchedulerSettings | None = None, builder: LocalBuilder | None = None) -> Scheduler:
        return Scheduler(
            store=self.store,
            builders=[builder or self.builder],
            survey=partial(build_plan, environment=self.environment),
            clock=RealClock(),
            log=SilentLogger(),
            events=Broadcast(),
            logs_dir=self.folder / "logs",
            roots_dir=self.folder / "roots",
            settings=settings or self.settings,
        )

    def wanted(self, name: str) -> list[Wanted]:
        return [Wanted(self.paths[f"on-{name}"])]

    async def state(self, name: str) -> Build:
        return (await self.store.builds([self.paths[name]]))[self.paths[name]]

    async def attempts(self, name: str) -> list[Attempt]:
        found = await self.store.attempts([self.paths[name]])
        return list(found.get(self.paths[name], ()))

    async def assert_interrupted(self, name: str, state: BuildState) -> list[Attempt]:
        """See that the derivation ended in this state and blocks its dependent; return its attempts."""
        assert (await self.state(name)).state is state
        blocked = Build(self.paths[f"on-{name}"], BuildState.BLOCKED, blockers=frozenset({self.paths[name]}))
        assert await self.state(f"on-{name}") == blocked
        assert await self.attempts(f"on-{name}") == []
        attempts = await self.attempts(name)
        assert attempts[-1].outcome is state
        assert self.processes() == []
        return attempts

    def processes(self, text: str = "") -> list[int]:
        """Processes that have this in their command line; those that build one of these derivations."""
        return processes(text or self.mark)

    async def until_builds(self) -> None:
        with anyio.fail_after(_PATIENCE_SECONDS):
            while not self.processes():  # noqa: ASYNC110 - another program's doing sets no event
                await anyio.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def target_of(line: str) -> DrvPath:
    """The derivation that a root printed by nix-instantiate points at."""
    return DrvPath.parse(str(Path(line.partition("!")[0]).readlink()))


@pytest.fixture
async def build_bench(nix_environment: dict[str, str], tmp_path: Path) -> AsyncIterator[BuildBench]:
    mark, port = uuid.uuid4().hex, free_port()
    text = EXPRESSION.replace("MARK", mark).replace("FOLDER", str(tmp_path)).replace("PORT", str(port))
    (tmp_path / "set.nix").write_text(text)
    environment = {
        **nix_environment,
        "NIX_CONFIG": f"{nix_environment['NIX_CONFIG']}\ndownload-attempts = 1\nconnect-timeout = 5",
    }
    argv = ["nix-instantiate", str(tmp_path / "set.nix"), "--add-root", str(tmp_path / "drvs" / "drv"), "--indirect"]
    done = await run(argv, env=environment)
    assert done.status == 0, done.stderr
    drvs = list(map(target_of, done.text.split()))
    records: list[DerivationRecord] = read_closure(drvs, lambda _: False)
    async with (
        open_store(tmp_path / "db") as store,
        LocalBuilderType().open(LocalBuilderConfig(slots=2), plugin_context(environment)) as builder,
    ):
        key = EvaluationKey(TreeHash("0" * 40), "job", "set.nix", "", "nix", "source", "")
        evaluation = await store.begin_evaluation(key, now=0, gc_roots="")
        await store.add_evaluated(evaluation, records, [])
        await store.finish_evaluation(evaluation, now=0)
        paths = {record.name.removesuffix(f"-{mark}"): record.path for record in records}
        yield BuildBench(store, builder, tmp_path, environment, paths, mark, port)
