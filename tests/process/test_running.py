from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import anyio
import anyio.lowlevel
import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.process import (
    Child,
    ChildTimedOut,
    Completed,
    InputClosed,
    OutputTooLarge,
    ProgramMissing,
    run,
    running,
)

pytestmark = pytest.mark.anyio

IGNORES_TERM = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture
def env() -> dict[str, str]:
    return dict(os.environ)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def until_there(path: Path) -> None:
    with anyio.fail_after(20):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - another program's file sets no event
            await anyio.sleep(0.02)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def is_known(pid: int) -> bool:
    """Whether the process is there at all, if only as a zombie."""
    return Path(f"/proc/{pid}").exists()


async def until_gone(pid: int) -> None:
    with anyio.fail_after(20):
        while alive(pid):  # noqa: ASYNC110 - another program's end sets no event
            await anyio.sleep(0.02)


async def first_line(lines: AsyncIterator[object]) -> str:
    async for line in lines:
        return str(getattr(line, "text", ""))
    raise AssertionError("no line came")


async def test_a_command_returns_what_it_wrote(env: dict[str, str]) -> None:
    done = await run(["sh", "-c", "cat; echo err >&2; exit 3"], env=env, stdin=b"in \xff")
    assert done == Completed(status=3, stdout=b"in \xff", stderr="err\n")
    assert done.text == "in \ufffd"


async def test_the_environment_is_only_what_was_given() -> None:
    done = await run(["env"], env={"PATH": os.environ["PATH"], "ONE": "1"})
    assert set(done.text.split("\n")) >= {"ONE=1"}
    assert not [line for line in done.text.splitlines() if line.startswith("HOME=")]


async def test_a_signal_is_a_negative_status(env: dict[str, str]) -> None:
    assert (await run(["sh", "-c", "kill -9 $$"], env=env)).status == -9


async def test_only_the_tail_of_stderr_is_kept(env: dict[str, str]) -> None:
    done = await run(["sh", "-c", "head -c 5000000 /dev/zero >&2; echo the end >&2"], env=env)
    assert done.stderr.endswith("the end\n")
    assert len(done.stderr) == 64 * 1024


async def test_large_input_is_no_deadlock(env: dict[str, str]) -> None:
    data = b"0123456789abcdef" * 200_000
    assert (await run(["cat"], env=env, stdin=data)).stdout == data


async def test_input_that_nobody_reads_is_dropped(env: dict[str, str]) -> None:
    assert (await run(["true"], env=env, stdin=b"x" * 5_000_000)).status == 0


async def test_a_missing_program_says_what_to_do(env: dict[str, str]) -> None:
    with pytest.raises(ProgramMissing, match="no-such-program") as raised:
        await run(["no-such-program"], env=env)
    assert raised.value.do is not None


async def test_the_program_is_looked_up_where_the_child_would(env: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    assert (await run(["only-here"], env={**env, "PATH": str(tmp_path)})).text == "found\n"
    with pytest.raises(ProgramMissing):
        await run(["only-here"], env=env)


async def test_a_missing_directory_is_named(env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InfrastructureFault) as raised:
        await run(["true"], env=env, cwd=tmp_path / "gone")
    assert raised.value.where == str(tmp_path / "gone")


async def test_a_file_that_is_no_program_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    with pytest.raises(InfrastructureFault, match="cannot start"):
        await run([str(program)], env=env)


async def test_too_much_output_stops_it(env: dict[str, str]) -> None:
    with pytest.raises(OutputTooLarge, match="more than 1000000 bytes"):
        await run(["sh", "-c", "yes"], env=env, max_output_bytes=1_000_000)


async def test_a_deadline_stops_it(env: dict[str, str]) -> None:
    with pytest.raises(ChildTimedOut, match=r"longer than 0\.2 seconds"):
        await run(["sleep", "1000"], env=env, timeout_seconds=0.2)


async def test_a_line_of_any_length_needs_little_memory(env: dict[str, str]) -> None:
    script = "head -c 100000000 /dev/zero; echo; echo next"
    async with running(["sh", "-c", script], env=env, line_bytes=1000) as child:
        lines = [line async for line in child.stdout.lines()]
        assert await child.wait() == 0
    assert [(len(line.data), line.cut) for line in lines] == [(1000, True), (4, False)]


async def test_stderr_can_be_read_apart_or_with_stdout(env: dict[str, str]) -> None:
    script = ["sh", "-c", "echo out; echo err >&2"]
    async with running(script, env=env, stderr="pipe") as child:
        assert child.stderr is not None
        assert await first_line(child.stderr.lines()) == "err"
    async with running(script, env=env, stderr="merge") as child:
        assert [line.text async for line in child.stdout.lines()] == ["out", "err"]


async def test_a_conversation(env: dict[str, str]) -> None:
    async with running(["cat"], env=env, stdin="pipe") as child:
        lines = child.stdout.lines()
        await child.send(b"one\n")
        assert await first_line(lines) == "one"
        child.close_stdin()
        assert await child.wait() == 0
        with pytest.raises(InputClosed):
            await child.send(b"two\n")


async def test_sending_to_one_that_died_is_said(env: dict[str, str]) -> None:
    async with running(["true"], env=env, stdin="pipe") as child:
        await child.wait()
        with pytest.raises(InputClosed):
            await child.send(b"x" * 1_000_000)


async def test_a_grandchild_that_holds_the_pipe_is_not_waited_for(env: dict[str, str]) -> None:
    async with running(["sh", "-c", "sleep 1000 & echo $!"], env=env) as child:
        lines = [line.text async for line in child.stdout.lines()]
        assert await child.wait() == 0
        grandchild = int(lines[0])
        assert alive(grandchild)
    await until_gone(grandchild)


async def test_what_is_written_before_the_exit_is_read_however_late(env: dict[str, str]) -> None:
    async with running(["sh", "-c", "seq 20000"], env=env) as child:
        await child.wait()
        assert len([line async for line in child.stdout.lines()]) == 20000


async def test_leaving_ends_the_whole_group(env: dict[str, str]) -> None:
    async with running(["sh", "-c", "sleep 1000 & echo $!; wait"], env=env) as child:
        grandchild = int(await first_line(child.stdout.lines()))
    assert child.status == -signal.SIGTERM
    await until_gone(grandchild)


async def test_one_that_ignores_term_is_killed(env: dict[str, str]) -> None:
    async with running(["sh", "-c", IGNORES_TERM], env=env, grace_seconds=0.1) as child:
        assert await first_line(child.stdout.lines()) == "ready"
    assert child.status == -signal.SIGKILL


async def test_one_that_cleans_up_gets_the_time(env: dict[str, str], tmp_path: Path) -> None:
    script = "trap 'sleep 0.2; echo > done; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    async with running(["sh", "-c", script], env=env, cwd=tmp_path, grace_seconds=30) as child:
        await first_line(child.stdout.lines())
    assert child.status == 7
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
async def test_a_descendant_in_a_session_of_its_own_goes_too(env: dict[str, str], stubborn: str) -> None:
    script = f"{stubborn}setsid sh -c 'echo $$; sleep 1000 & wait' & wait; sleep 1000"
    async with running(["sh", "-c", script], env=env, grace_seconds=0.1) as child:
        leader = int(await first_line(child.stdout.lines()))
        assert os.getsid(leader) == leader
    await until_gone(leader)


async def test_cancellation_waits_until_all_is_gone(env: dict[str, str]) -> None:
    pids: list[int] = []

    async def body() -> None:
        async with running(["sh", "-c", IGNORES_TERM], env=env, grace_seconds=0.1) as child:
            pids.append(child.pid)
            await first_line(child.stdout.lines())
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(body)
        while not pids:  # noqa: ASYNC110 - the pid is all there is to see
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert not is_known(pids[0]), "reaped, not only dead"


async def test_the_bodys_own_exception_comes_out_as_it_is(env: dict[str, str]) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with running(["sleep", "1000"], env=env) as child:
            raise KeyError("mine")
    assert child.status == -signal.SIGTERM


async def test_the_number_of_a_finished_child_is_not_signalled(env: dict[str, str]) -> None:
    async with running(["true"], env=env) as child:
        await child.wait()
    child.signal_group(signal.SIGKILL)  # would raise or hit others if it still used the number
    assert child.status == 0


async def test_many_at_once_leave_no_descriptor_behind(env: dict[str, str]) -> None:
    await run(["true"], env=env)
    before = descriptors()
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(lambda: run(["sh", "-c", "cat; echo e >&2"], env=env, stdin=b"x"))
    assert descriptors() == before


PARENT = """
    import os, sys, anyio
    from ekaci_core.process import running

    async def main():
        async with running(["sleep", "1000"], env=dict(os.environ)) as child:
            print(child.pid, flush=True)
            await child.wait()

    anyio.run(main)
"""


def test_a_killed_parent_takes_its_child_along(env: dict[str, str]) -> None:
    probe = subprocess.run(["setpriv", "--pdeathsig", "TERM", "--", "true"], check=False, capture_output=True)
    if probe.returncode != 0:
        pytest.skip("needs util-linux's setpriv")
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(PARENT)], env=env, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
    anyio.run(until_gone, child)


def test_a_parent_killed_before_its_child_could_ask_for_the_signal_takes_it_along_too(
    env: dict[str, str], tmp_path: Path
) -> None:
    real = shutil.which("setpriv")
    if real is None:
        pytest.skip("needs util-linux's setpriv")
    started = tmp_path / "started"
    slow = tmp_path / "setpriv"
    slow.write_text(f'#!/bin/sh\ncase $* in *sleep*) touch {started}; /bin/sleep 1;; esac\nexec {real} "$@"\n')
    slow.chmod(0o755)
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(PARENT)], env=env, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        anyio.run(until_there, started)
        parent.kill()
    anyio.run(until_gone, child)


STUCK = """
    import os, signal, sys

    def leave(*_):
        os.write({stream}, b"x" * 4_000_000)  # more than any pipe holds
        os._exit(7)

    signal.signal(signal.SIGTERM, leave)
    os.write(1, b"ready\\n")
    while True:
        os.write({stream}, b"x" * 100_000)
"""


def stuck(stream: int) -> list[str]:
    """Return a program that writes without end, and much more when it is told to go."""
    return [sys.executable, "-c", textwrap.dedent(STUCK).format(stream=stream)]


@pytest.mark.parametrize("stream", [1, 2])
@pytest.mark.parametrize("stderr", ["tail", "pipe", "merge"])
async def test_one_that_is_stuck_in_writing_can_say_goodbye(
    env: dict[str, str], stream: int, stderr: Literal["tail", "pipe", "merge"]
) -> None:
    async with running(stuck(stream), env=env, stderr=stderr, grace_seconds=60) as child:
        assert (await anext(child.stdout.chunks())).startswith(b"ready")
    assert child.status == 7, "it was killed in the middle"


@pytest.mark.parametrize("stderr", ["tail", "pipe", "merge"])
async def test_cancelled_too_it_can_say_goodbye(env: dict[str, str], stderr: Literal["tail", "pipe", "merge"]) -> None:
    children: list[Child] = []
    ready = anyio.Event()

    async def body() -> None:
        async with running(stuck(2), env=env, stderr=stderr, grace_seconds=60) as child:
            children.append(child)
            assert (await anext(child.stdout.chunks())).startswith(b"ready")
            ready.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(body)
        await ready.wait()
        tasks.cancel_scope.cancel()
    assert children[0].status == 7


async def test_one_that_wrote_too_much_can_say_goodbye(env: dict[str, str]) -> None:
    async with running(stuck(1), env=env, max_output_bytes=1000, grace_seconds=60) as child:
        with pytest.raises(OutputTooLarge):
            [chunk async for chunk in child.stdout.chunks()]
    assert child.status == 7


async def test_whoever_still_reads_is_left_alone(env: dict[str, str]) -> None:
    read: list[bytes] = []

    async def reading(child: Child) -> None:
        read.extend([chunk async for chunk in child.stdout.chunks()])

    async with anyio.create_task_group() as tasks:
        script = "trap 'echo bye; exit 7' TERM; echo ready >&2; while :; do sleep 0.05; done"
        async with running(["sh", "-c", script], env=env, stderr="pipe", grace_seconds=60) as child:
            tasks.start_soon(reading, child)
            assert child.stderr is not None
            await anext(child.stderr.chunks())
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert b"bye\n" in read
