"""Post-build hooks with real Nix, real bubblewrap and a real database: what they can do, and what they cannot."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import anyio
import attrs
import pytest

from ekaci_core.bus import Wakeup
from ekaci_core.config.hooks import HookEntry
from ekaci_core.delivery.hooks import HookAudit, HookQueue, HookRules, HookRunner
from ekaci_core.logs import BuildLog, log_of
from ekaci_core.model.derivation import DerivationRecord
from ekaci_core.model.forge import Branch, RepositoryId
from ekaci_core.model.hook import HookOrigin, HookState
from ekaci_core.model.ids import DrvPath
from ekaci_core.model.policy import Permissions
from ekaci_core.model.review import ReviewState
from ekaci_core.model.secret import Secret
from ekaci_core.nix.environment import nix_environment as given_to_nix
from ekaci_core.nix.records import read_closure
from ekaci_core.process import run, running
from ekaci_core.process.sandbox import BUBBLEWRAP
from ekaci_core.store import Store, open_store
from ekaci_core.store.hook_execution import HookExecution, HookOccasion, WantedHook
from ekaci_core.telemetry import REDACTOR
from ekaci_core.testing.builders import RealClock, SilentLogger
from ekaci_core.testing.facts import evaluated
from ekaci_core.testing.store_forges import HERE, sha, wish

pytestmark = [pytest.mark.nix, pytest.mark.anyio, pytest.mark.timeout(120)]

CANARY = "canary-of-the-servers-environment"
EXPRESSION = """
derivation {
  name = "built-MARK";
  pname = "built";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "echo first > $out; echo second > $dev" ];
  outputs = [ "out" "dev" ];
}
"""
FETCHED = """
derivation {
  name = "fetched-MARK";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "echo MARK > $out" ];
  outputHash = builtins.hashString "sha256" "MARK\\n";
  outputHashAlgo = "sha256";
}
"""


def shell(script: str, **more: object) -> HookEntry:
    """A hook that is a script."""
    return HookEntry(name="hook", command=("/bin/sh", "-c", script.replace("$", "$$")), **more)  # type: ignore[arg-type]


@attrs.frozen
class Bench:
    """A derivation that was built, and what runs hooks of it."""

    store: Store
    folder: Path
    environment: Mapping[str, str]
    built: DerivationRecord

    @property
    def outputs(self) -> list[str]:
        return [str(output.path) for output in self.built.outputs]

    @property
    def log(self) -> str:
        return (self.folder / "logs" / self.built.path.hash_part / "hook-hook.log").read_text()

    def queue(self, rules: HookRules, *, seconds: int = 60, path: str | None = None) -> HookQueue:
        clock, log = RealClock(), SilentLogger()
        environment = {**self.environment, "PATH": path} if path is not None else self.environment
        runner = HookRunner(
            store=self.store,
            rules=rules,
            environment=environment,
            logs_dir=self.folder / "logs",
            places=self.folder / "hooks",
            timeout_seconds=seconds,
            log=log,
        )
        return HookQueue(self.store, runner, HookAudit(self.store, clock, log), clock, log, Wakeup())

    async def want(self, *wanted: WantedHook, repository: RepositoryId = HERE) -> None:
        review = await self.store.ask_review(wish(repository=repository), ReviewState.QUEUED, now=1.0)
        occasion = HookOccasion(review=review, repository=repository, branch=Branch("topic"), sha=sha("a"))
        await self.store.want_hooks(wanted, occasion, now=2.0)

    def wanted(self, name: str = "hook", **changes: object) -> WantedHook:
        plain = WantedHook(
            hook=name, origin=HookOrigin.SERVER, fod=False, job="packages", drv=self.built.path, built_at=1.0
        )
        return attrs.evolve(plain, **changes)  # type: ignore[arg-type]

    async def until(self, holds: Callable[[list[HookExecution]], bool]) -> list[HookExecution]:
        with anyio.fail_after(60):
            while not holds(found := list(await self.store.hook_executions())):  # noqa: ASYNC110 - the database tells nobody
                await anyio.sleep(0.02)
        return found

    async def ran(self, *entries: HookEntry, seconds: int = 60, path: str | None = None) -> HookExecution:
        """Run the server's hooks of the derivation to their end; return the last of them."""
        await self.want(*(self.wanted(each.name, fod=each.fod) for each in entries))
        return await self.run(HookRules(entries), seconds=seconds, path=path)

    async def run(self, rules: HookRules, *, seconds: int = 60, path: str | None = None) -> HookExecution:
        queue = self.queue(rules, seconds=seconds, path=path)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(queue.run)
            found = await self.until(lambda all_: not any(_is_open(each.state) for each in all_))
            tasks.cancel_scope.cancel()
        assert list((self.folder / "hooks").glob("*")) == [], "nothing of a run stays"
        return found[0]


def _is_open(state: HookState) -> bool:
    return state.is_pending or state is HookState.RUNNING


async def built(expression: str, folder: Path, environment: Mapping[str, str]) -> DrvPath:
    (folder / "set.nix").write_text(expression)
    words = ["nix-instantiate", str(folder / "set.nix"), "--add-root", str(folder / "drv"), "--indirect"]
    assert (await run(words, env=environment)).status == 0
    drv = DrvPath.parse(str((folder / "drv").readlink()))
    words = ["nix-store", "--realise", drv, "--add-root", str(folder / "out"), "--indirect"]
    assert (await run(words, env=environment)).status == 0
    return drv


@pytest.fixture(params=[EXPRESSION], ids=["input-addressed"])
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, nix_environment: dict[str, str]
) -> AsyncIterator[Bench]:
    plain = {name: value for name, value in nix_environment.items() if "SSL" not in name and "BUNDLE" not in name}
    environment = given_to_nix({**plain, "NIX_CANARY": CANARY})
    drv = await built(request.param.replace("MARK", uuid.uuid4().hex), tmp_path, environment)
    records = read_closure([drv], lambda _: False)
    async with open_store(tmp_path / "db" / "sqlite.db") as store:
        await evaluated(store, records)
        log = log_of(tmp_path / "logs", drv.hash_part)
        with BuildLog(log) as written:
            written.write(b"a line of the build\n")
        yield Bench(store, tmp_path, environment, next(each for each in records if each.path == drv))


async def test_a_hook_is_told_of_the_build_and_of_nothing_else(bench: Bench) -> None:
    entry = shell("env -0; cat; cat $EKA_BUILD_LOG_PATH; pwd; id -u", env={"MY_OWN": "x y"})
    end = await bench.ran(entry)
    assert (end.state, end.exit_status, end.reason) == (HookState.SUCCEEDED, 0, "")
    *variables, rest = bench.log.split("\0")
    known = dict(each.split("=", 1) for each in variables)
    assert known.pop("PATH").startswith("/")
    assert known.pop("NIX_CONFIG")
    for name in ("PWD", "SHLVL", "_", "OLDPWD"):
        known.pop(name, None)  # the shell's own
    assert known == {
        "DRV_PATH": bench.built.path,
        "OUT_PATHS": " ".join(bench.outputs),
        "EKA_JOB_NAME": "packages",
        "EKA_IS_FOD": "false",
        "EKA_SYSTEM": bench.built.system,
        "EKA_PNAME": "built",
        "EKA_BUILD_LOG_PATH": "/build/build.log",
        "EKA_COMMIT_SHA": "a" * 40,
        "EKA_REPO": HERE.path,
        "EKA_BRANCH": "topic",
        "MY_OWN": "x y",
        "HOME": "/home/hook",
        "TMPDIR": "/tmp",  # noqa: S108 - a private one
        "USER": "hook",
        "LC_ALL": "C.UTF-8",
        "NIX_STATE_DIR": "/build/nix",
    }
    assert rest.splitlines() == [*bench.outputs, "a line of the build", "/home/hook", "1000"]


@pytest.mark.parametrize("bench", [FETCHED], indirect=True, ids=["fixed-output"])
async def test_a_hook_is_told_that_an_output_is_fixed(bench: Bench) -> None:
    await bench.ran(shell("echo $EKA_IS_FOD", fod=True))
    assert bench.log == "true\n"


async def test_words_are_put_together_without_a_shell(bench: Bench) -> None:
    command = ("/usr/bin/printf", "[%s]", "$OUT_PATHS", "a b; id > /tmp/x", "$$HOME", "${EKA_REPO}@$EKA_BRANCH")
    await bench.ran(HookEntry(name="hook", command=command))
    first, second = bench.outputs
    assert bench.log == f"[{first}][{second}][a b; id > /tmp/x][$HOME][{HERE.path}@topic]"


async def test_nix_reads_the_outputs_in_the_sandbox(bench: Bench) -> None:
    """What `nix copy` to a cache needs: the store's contents, and its database as far as the outputs go."""
    script = (
        "set -e; nix path-info $OUT_PATHS | sort; nix copy --quiet --to file:///tmp/cache $OUT_PATHS 2>&1 | tail;"
        " ls /tmp/cache/nar | wc -l; nix path-info --store file:///tmp/cache $OUT_PATHS | sort"
    )
    end = await bench.ran(shell(script))
    assert end.state is HookState.SUCCEEDED, bench.log
    outputs = sorted(bench.outputs)
    assert [line for line in bench.log.splitlines() if not line.startswith("copying")] == [*outputs, "2", *outputs]


async def test_nothing_of_the_machine_can_be_read_or_changed(bench: Bench) -> None:
    secret = bench.folder / "secret"
    secret.write_text("canary-in-a-file")
    environment = {**bench.environment, "OTHER": "canary-of-another-process"}
    async with running(["sleep", "60"], env=environment) as other:
        probes = [
            "cat /etc/shadow",
            f"cat {bench.folder}/db/sqlite.db",
            f"cat {secret}",
            f"ls {bench.folder}",
            f"cat /proc/{other.pid}/environ",
            f"cat /proc/{os.getpid()}/environ",
            "cat /etc/nix/nix.conf",
            "ls /root",
            "ls /run/systemd",
            "ls /nix/var/nix/db",
            "ls /nix/var/nix/daemon-socket",
            "touch /nix/store/x",
            "touch /usr/x",
            "touch /etc/x",
            "touch /x",
            "nix-store --add /home/hook",
            "unshare --mount true",
        ]
        script = "; ".join(
            f"( {probe} ) >/tmp/said 2>&1 && echo 'it could: '{shlex.quote(probe)}; cat /tmp/said" for probe in probes
        )
        tail = "; cat /proc/1/environ; echo; tr '\\0' ' ' < /proc/1/cmdline; grep CapEff /proc/self/status"
        end = await bench.ran(shell(script + tail))
    log = bench.log
    assert end.state is HookState.SUCCEEDED, log
    assert [line for line in log.splitlines() if line.startswith("it could")] == []
    assert "canary" not in log
    assert "CapEff:\t0000000000000000" in log
    assert "EKA_REPO" not in log.rpartition("PATH=")[2].split("--args")[0], "the sandbox's own process knows nothing"


async def test_it_is_the_sandbox_that_keeps_them_from_it(bench: Bench) -> None:
    """The same probes succeed for a hook that the operator runs without one."""
    (bench.folder / "secret").write_text("what is there")
    end = await bench.ran(shell(f"cat {bench.folder}/secret; echo $HOME; env | grep -c CANARY", sandbox=False))
    assert bench.log == f"what is there{bench.environment['HOME']}\n0\n"
    assert end.exit_status == 1, "grep found none"


async def test_two_runs_share_nothing_that_they_can_write(bench: Bench) -> None:
    script = "ls -A $HOME /tmp; mkdir -p $HOME/a/b; echo > /tmp/x; chmod 000 $HOME/a; ln -s / $HOME/link"
    await bench.want(bench.wanted("one"), bench.wanted("hook"))
    rules = HookRules((attrs.evolve(shell(script), name="one"), shell(script)))
    end = await bench.run(rules)
    assert end.state is HookState.SUCCEEDED
    assert bench.log == "/home/hook:\n\n/tmp:\n"


async def test_what_is_bound_can_be_read_and_not_written(bench: Bench) -> None:
    keys = bench.folder / "keys"
    keys.mkdir()
    (keys / "key").write_text("the key")
    await bench.ran(shell(f"cat {keys}/key; echo > {keys}/key || echo no", ro_bind=(keys,)))
    assert bench.log.startswith("the key")
    assert bench.log.endswith("no\n")
    assert (keys / "key").read_text() == "the key"


async def test_without_the_network_there_is_not_even_loopback_of_the_machine(bench: Bench) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - not of a database
        script = f"python3 -c \"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('in')\""
        entries = (shell(script), attrs.evolve(shell(script, network=False), name="cut-off"))
        await bench.ran(*entries)
    found = {each.hook: each.state for each in await bench.store.hook_executions()}
    assert found == {"hook": HookState.SUCCEEDED, "cut-off": HookState.FAILED}


async def test_a_secret_is_in_the_environment_and_masked_in_the_log(bench: Bench) -> None:
    secret = Secret(f"canary-{uuid.uuid4().hex}")
    REDACTOR.learn("test of hooks", [secret])
    entry = shell('echo "<$TOKEN>"; test ${#TOKEN} = 39; cat /proc/1/cmdline', env={"TOKEN": secret})
    end = await bench.ran(entry)
    assert end.state is HookState.SUCCEEDED
    assert secret.reveal() not in bench.log
    stored = b"".join(path.read_bytes() for path in (bench.folder / "db").iterdir())
    assert b"hook:hook" in stored, "the audit record"
    assert secret.reveal().encode() not in stored
    assert "[REDACTED]" in bench.log


async def test_a_command_that_cannot_be_put_together_says_which_hook_it_is(bench: Bench) -> None:
    await bench.want(bench.wanted(origin=HookOrigin.REPOSITORY, definition='{"command": ["$NO"], "env": {}}'))
    end = await bench.run(HookRules(allowed_repos=("*",)))
    assert (end.state, end.reason) == (HookState.FAILED, "hook hook: there is no variable NO")


async def test_a_program_that_is_not_there_is_told_in_the_log(bench: Bench) -> None:
    end = await bench.ran(HookEntry(name="hook", command=("no-such-program", "$OUT_PATHS")))
    assert end.state is HookState.FAILED
    assert "no-such-program" in bench.log
    plain = HookEntry(name="plain", command=("no-such-program", "$OUT_PATHS"), sandbox=False)
    end = await bench.ran(plain)
    assert (end.hook, end.state) == ("plain", HookState.FAILED)
    assert "no-such-program" in end.reason


async def test_a_hook_that_fails_or_is_killed_says_how(bench: Bench) -> None:
    entries = [
        attrs.evolve(shell("exit 3"), name="three"),
        attrs.evolve(shell("kill -9 $$", sandbox=False), name="killed"),
    ]
    await bench.ran(*entries)
    found = {each.hook: (each.state, each.exit_status, each.reason) for each in await bench.store.hook_executions()}
    assert found == {
        "three": (HookState.FAILED, 3, "exit status 3"),
        "killed": (HookState.FAILED, -9, "ended by signal 9"),
    }
    records = await bench.store.audit_records(subject="hook:three")
    assert [(each.event, each.outcome) for each in records] == [
        ("hook_execution_complete", "failed, exit status 3"),
        ("hook_execution_start", ""),
    ]


def marked(mark: str) -> list[str]:
    """The processes whose command line has a mark."""
    done = subprocess.run(["pgrep", "-f", mark], capture_output=True, text=True, check=False)
    return [pid for pid in done.stdout.split() if pid != str(os.getpid())]


@pytest.mark.parametrize("sandbox", [True, False], ids=["sandboxed", "plain"])
async def test_a_hook_that_takes_too_long_is_ended_with_all_that_it_started(bench: Bench, sandbox: bool) -> None:  # noqa: FBT001
    mark = f"10{uuid.uuid4().int % 10**9}"
    script = f"sleep {mark} & setsid sleep {mark} & (trap '' TERM; sleep {mark}; sleep {mark}) & echo begun; wait"
    end = await bench.ran(shell(script, sandbox=sandbox), seconds=2)
    assert (end.state, end.reason) == (HookState.TIMED_OUT, "Hook execution timed out after 2 seconds")
    assert bench.log == "begun\nHook execution timed out after 2 seconds\n"
    assert marked(f"sleep {mark}") == []
    records = await bench.store.audit_records(limit=1)
    assert records[0].event == "hook_execution_timeout"


async def test_without_bubblewrap_no_hook_runs(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for program in ("nix-store", "nix", "sh", "touch"):
        found = shutil.which(program)
        assert found
        (tmp_path / "bin" / program).symlink_to(found)
    trace = tmp_path / "trace"
    end = await bench.ran(shell(f"touch {shlex.quote(str(trace))}"), path=str(tmp_path / "bin"))
    assert end.state is HookState.REFUSED
    assert end.reason == f"bubblewrap ({BUBBLEWRAP}) is not installed, and no hook runs without its sandbox"
    assert not trace.exists()
    (record,) = await bench.store.audit_records(limit=1)
    assert (record.event, record.outcome, record.detail) == ("hook_execution_error", "refused", end.reason)


async def test_where_bubblewrap_does_not_work_no_hook_runs(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / BUBBLEWRAP).write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    (tmp_path / "bin" / BUBBLEWRAP).chmod(0o755)
    end = await bench.ran(shell("true"), path=f"{tmp_path}/bin:{bench.environment['PATH']}")
    assert end.state is HookState.REFUSED
    assert end.reason == "bubblewrap does not work here: setting up uid map: Permission denied"


async def test_outputs_that_are_gone_are_told(bench: Bench) -> None:
    for link in bench.folder.glob("out*"):
        link.unlink()
    assert (await run(["nix-store", "--delete", *bench.outputs], env=bench.environment)).status == 0
    end = await bench.ran(shell("true"))
    assert end.state is HookState.REFUSED
    assert end.reason.startswith("its outputs are not in this machine's Nix store")


async def test_a_hook_that_the_configuration_has_no_more_is_not_run(bench: Bench) -> None:
    await bench.want(
        bench.wanted("gone"),
        bench.wanted("narrowed"),
        bench.wanted("theirs", origin=HookOrigin.REPOSITORY, definition='{"command": ["true"], "env": {}}'),
    )
    narrowed = attrs.evolve(shell("true"), name="narrowed", permissions=Permissions(False, ("other/*",)))  # noqa: FBT003
    await bench.run(HookRules((narrowed,)))
    assert {each.state for each in await bench.store.hook_executions()} == {HookState.REFUSED}


async def test_a_hook_of_a_repository_is_sandboxed_and_has_the_network_that_the_server_allows(bench: Bench) -> None:
    script = "id -u; echo $$A; cat /proc/net/dev | wc -l"
    definition = json.dumps({"command": ["/bin/sh", "-c", script], "env": {"A": "b"}})
    wanted = bench.wanted(origin=HookOrigin.REPOSITORY, definition=definition)
    await bench.want(wanted)
    await bench.run(HookRules(allowed_repos=("Owner/*",), own_network=False))
    assert bench.log.split() == ["1000", "b", "3"], "two lines of heading, and its own loopback"


async def test_what_is_stopped_with_the_server_says_so_and_runs_again(bench: Bench) -> None:
    trace = bench.folder / "trace"
    script = f"echo x >> {trace}; [ $(wc -l < {trace}) = 2 ] || sleep 1000"
    rules = HookRules((shell(script, sandbox=False),))
    await bench.want(bench.wanted())
    queue = bench.queue(rules)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run)
        with anyio.fail_after(60):
            while not trace.exists():  # noqa: ASYNC110 - another program's doing sets no event
                await anyio.sleep(0.02)
        with anyio.fail_after(10):
            await queue.drain(0.2)
        tasks.cancel_scope.cancel()
    (found,) = await bench.store.hook_executions()
    assert (found.state, found.reason) == (HookState.INTERRUPTED, "the server ended while it ran; it runs again")
    end = await bench.run(rules)
    assert (end.state, end.attempts, end.deaths) == (HookState.SUCCEEDED, 2, 0)


async def test_a_server_that_stops_waits_for_what_runs_and_begins_nothing(bench: Bench) -> None:
    names = [f"h{number}" for number in range(6)]
    fifo = bench.folder / "fifo"
    os.mkfifo(fifo)
    rules = HookRules(tuple(attrs.evolve(shell(f"cat {fifo}", sandbox=False), name=name) for name in names))
    await bench.want(*(bench.wanted(name) for name in names))
    queue = bench.queue(rules)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run)
        running = await bench.until(lambda all_: sum(each.state is HookState.RUNNING for each in all_) == 4)
        assert [each.hook for each in running if each.state is HookState.QUEUED] == ["h5", "h4"], "four at once"
        tasks.start_soon(queue.drain, 60.0)
        await anyio.to_thread.run_sync(lambda: fifo.write_text(""), abandon_on_cancel=True)
        await bench.until(lambda all_: any(each.state is HookState.SUCCEEDED for each in all_))
        while any(each.state is HookState.RUNNING for each in await bench.store.hook_executions()):
            with anyio.move_on_after(0.2):
                await anyio.to_thread.run_sync(lambda: fifo.write_text(""), abandon_on_cancel=True)
        await queue.drain(10.0)
        tasks.cancel_scope.cancel()
    states = {each.hook: each.state for each in await bench.store.hook_executions()}
    assert [states[name] for name in names] == [HookState.SUCCEEDED] * 4 + [HookState.QUEUED] * 2


async def test_of_two_hooks_that_write_one_log_one_runs_at_a_time(bench: Bench) -> None:
    """Two reviews can have built the same derivation."""
    trace = bench.folder / "trace"
    script = f"mkdir {bench.folder}/alone && sleep 0.3 && rmdir {bench.folder}/alone && echo x >> {trace}"
    for repository in (HERE, RepositoryId("git.example.org", "other/one"), RepositoryId("git.example.org", "a/third")):
        await bench.want(bench.wanted(), repository=repository)
    await bench.run(HookRules((shell(script, sandbox=False),)))
    assert {each.state for each in await bench.store.hook_executions()} == {HookState.SUCCEEDED}
    assert trace.read_text() == "x\n" * 3


async def test_what_ran_when_the_server_was_killed_runs_again_once(bench: Bench) -> None:
    await bench.want(bench.wanted())
    rules = HookRules((shell("true"),))
    (queued,) = await bench.store.pending_hooks(limit=1)
    await bench.store.begin_hook(queued.id, log_path="/l", now=5.0)
    left = bench.folder / "hooks" / str(queued.id) / "home" / "closed"
    left.mkdir(parents=True)
    left.chmod(0)
    end = await bench.run(rules)
    assert (end.state, end.attempts, end.deaths) == (HookState.SUCCEEDED, 2, 1)
    with anyio.fail_after(30):  # the record is written after the row
        while len(records := await bench.store.audit_records()) < 3:  # noqa: ASYNC110 - the database tells nobody
            await anyio.sleep(0.01)
    events = [each.event for each in records]
    assert events == ["hook_execution_complete", "hook_execution_start", "hook_execution_error"]


async def test_a_long_log_keeps_its_head_and_its_end(bench: Bench) -> None:
    end = await bench.ran(shell("echo head; head -c 40000000 /dev/zero | tr '\\0' x; echo; echo end"))
    assert end.state is HookState.SUCCEEDED
    folder = bench.folder / "logs" / bench.built.path.hash_part
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20_000_000
    assert bench.log.startswith("head\n")
