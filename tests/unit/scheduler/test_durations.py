from __future__ import annotations

import attrs
import pytest

from ekaci_core.model.derivation import DerivationRecord, Output
from ekaci_core.model.ids import System
from ekaci_core.scheduler.durations import UNKNOWN_SECONDS, asked, expected_seconds, learnt_seconds, subjects
from ekaci_core.testing.builds import drv_path

FETCHED = Output("out", None, "r:sha256", "0" * 64)


def record(name: str, pname: str | None = None, *, fetched: bool = False) -> DerivationRecord:
    outputs = (FETCHED if fetched else Output("out", None),)
    return DerivationRecord(drv_path(name), name, System("x86_64-linux"), (), outputs, pname)


def learnt_of(*built: tuple[DerivationRecord, float]) -> dict[str, float]:
    return {subject: seconds for each, seconds in built for subject in subjects(each)}


def test_the_same_name_counts_before_another_version() -> None:
    learnt = learnt_of((record("hello-1.0"), 10.0), (record("hello-2.0"), 20.0))
    assert expected_seconds(learnt, record("hello-1.0")) == 10.0
    assert expected_seconds(learnt, record("hello-3.0")) == 20.0, "that of the last one that was built"
    assert expected_seconds(learnt, record("help-1.0")) == UNKNOWN_SECONDS
    assert learnt_seconds(learnt, record("help-1.0")) is None


def test_a_package_name_is_taken_where_there_is_one() -> None:
    learnt = learnt_of((record("python3.11-six-1.16", "six"), 10.0))
    assert expected_seconds(learnt, record("python3.12-six-1.17", "six")) == 10.0


@pytest.mark.parametrize("name", ["hello-1.0", "hello-1.0.tar.gz"])
def test_what_is_fetched_says_nothing_of_what_is_built(name: str) -> None:
    learnt = learnt_of((record(name, fetched=True), 1.0))
    assert expected_seconds(learnt, record("hello-1.0")) == UNKNOWN_SECONDS
    assert expected_seconds(learnt, record("hello-2.0.tar.gz", fetched=True)) == 1.0


def test_platforms_differ() -> None:
    arm = attrs.evolve(record("hello-1.0"), system=System("aarch64-linux"))
    assert expected_seconds(learnt_of((arm, 10.0)), record("hello-1.0")) == UNKNOWN_SECONDS


def test_a_name_without_a_version_is_asked_for_once() -> None:
    assert asked([record("hello"), record("hello-1.0")]) == {"x86_64-linux hello", "x86_64-linux hello-1.0"}
