"""What is asked of the daemon and answered, as bytes: whatever comes, it is read, refused or waited for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.plugins.ekaci_builder_daemon.stand_in import s, w

from ekaci_builder_daemon import operations
from ekaci_builder_daemon.operations import BuildResult, Greeting, Options
from ekaci_builder_daemon.protocol import Version
from ekaci_builder_daemon.wire import Inbox, Reading, Unreadable
from ekaci_core.api import DrvPath, StorePath

DRV = DrvPath("/nix/store/00000000000000000000000000000000-x.drv")
OUT = StorePath("/nix/store/00000000000000000000000000000001-x")


def read(reading_of: Callable[[Inbox], Reading[object]], data: bytes) -> object:
    inbox = Inbox()
    inbox.feed(data)
    with pytest.raises(StopIteration) as end:
        next(reading_of(inbox))
    assert inbox.is_empty
    return end.value.value


def test_wishes_are_as_nix_writes_them() -> None:
    assert operations.hello() == w(0x6E697863, 0x126)
    assert operations.introduction(Version(1, 37)) == w(0, 0)
    assert operations.introduction(Version(1, 38)) == w(0, 0, 0)
    assert operations.build_with_result(DRV) == w(46, 1) + s(f"{DRV}!*") + w(0)
    assert operations.build(DRV) == w(9, 1) + s(f"{DRV}!*") + w(0)
    assert operations.add_temp_root(OUT) == w(11) + s(OUT)
    assert operations.add_indirect_root("/root") == w(12) + s("/root")
    assert operations.query_outputs(DRV) == w(41) + s(DRV)


def test_settings_have_their_places() -> None:
    options = Options(
        max_silent_seconds=60, cores=4, keep_failed=True, fallback=True, substitute=False, more={"timeout": "90"}
    )
    told = w(19, 1, 0, 1, 3, 1, 60, 1, 0, 0, 0, 4, 0, 1) + s("timeout", "90")
    assert operations.set_options(options) == told


@pytest.mark.parametrize(
    ("minor", "data", "greeting"),
    [
        (33, s("2.4"), Greeting("2.4", Version(1, 33))),
        (34, s("2.8.0"), Greeting("2.8.0", Version(1, 34))),
        (35, s("2.93.0") + w(1), Greeting("2.93.0", Version(1, 35), 1)),
        (38, w(1) + s("one") + s("2.30.0") + w(2), Greeting("2.30.0", Version(1, 38), 2)),
    ],
)
def test_who_the_daemon_is(minor: int, data: bytes, greeting: Greeting) -> None:
    assert read(lambda inbox: operations.introduced(inbox, Version(1, minor)), data) == greeting


@pytest.mark.parametrize(
    ("minor", "times"), [(34, b""), (36, b""), (37, w(0, 0)), (37, w(1, 500, 0)), (38, w(1, 500, 1, 300))]
)
def test_results_of_every_version(minor: int, times: bytes) -> None:
    data = w(1) + s(f"{DRV}!*") + w(3) + s("why") + w(1, 0, 5, 6) + times + w(1) + s("sha256:0!out", "{}")
    found = read(lambda inbox: operations.built_with_result(inbox, Version(1, minor), DRV), data)
    assert found == BuildResult(3, "why")


@pytest.mark.parametrize("status", range(20))
def test_four_statuses_are_successes(status: int) -> None:
    assert BuildResult(status, "").is_success == (status in {0, 1, 2, 13})


def test_outputs_that_are_nowhere_are_left_out() -> None:
    assert read(operations.outputs, w(2) + s("out", OUT) + s("doc", "")) == {"out": OUT}


@given(some.binary(max_size=600), some.integers(33, 38))
def test_any_bytes_are_read_refused_or_waited_for(data: bytes, minor: int) -> None:
    version = Version(1, minor)
    readings: list[Callable[[Inbox], Reading[object]]] = [
        operations.hello_back,
        operations.outputs,
        lambda inbox: operations.introduced(inbox, version),
        lambda inbox: operations.built_with_result(inbox, version, DRV),
    ]
    for reading_of in readings:
        inbox = Inbox()
        inbox.feed(data)
        with suppress(StopIteration, Unreadable):
            next(reading_of(inbox))


@given(some.integers(0, 2**16 - 1))
def test_versions_are_compared_as_numbers(number: int) -> None:
    version = Version.of_wire(number)
    assert version.on_wire == number
    assert (version < Version.of_wire(number + 1)) or number % 256 == 255
