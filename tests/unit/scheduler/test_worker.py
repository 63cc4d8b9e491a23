from __future__ import annotations

import os
import subprocess

import attrs

from ekaci_core.scheduler.worker import ProcessName, process_of, worker_name


def ourselves() -> ProcessName:
    process = process_of(worker_name())
    assert process is not None
    return process


def test_every_worker_of_a_process_has_a_name_of_its_own() -> None:
    assert worker_name() != worker_name()
    assert ourselves() == ourselves()


def test_a_name_tells_its_process() -> None:
    assert ourselves().pid == os.getpid()
    assert not ourselves().is_dead


def test_a_process_that_ended_is_dead() -> None:
    done = subprocess.run(["/bin/sh", "-c", "echo $$"], check=True, capture_output=True, text=True)
    assert attrs.evolve(ourselves(), pid=int(done.stdout), started="1").is_dead


def test_a_process_that_nobody_reaped_is_dead() -> None:
    child = subprocess.Popen(["/bin/true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert attrs.evolve(ourselves(), pid=child.pid, started="").is_dead
    finally:
        child.wait()


def test_a_later_process_with_the_same_number_is_another() -> None:
    assert attrs.evolve(ourselves(), started="1").is_dead


def test_nobody_knows_of_processes_elsewhere() -> None:
    assert not attrs.evolve(ourselves(), machine="other:boot:pid[1]", pid=2**22 - 1).is_dead


def test_a_boot_before_this_one_is_elsewhere() -> None:
    host, _, space = ourselves().machine.split(":")
    assert not attrs.evolve(ourselves(), machine=f"{host}:earlier:{space}").is_dead


def test_names_that_others_made_up_are_no_processes() -> None:
    assert process_of("somebody") is None
    assert process_of("a:b:c:d:e#1") is None
