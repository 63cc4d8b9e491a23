"""The strict converter, where unknown keys are faults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from cattrs import ClassValidationError
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.config.convert import WrongValue, address, explain, strict_converter
from ekaci_core.config.suggest import did_you_mean, nearest


@attrs.frozen
class Inner:
    number: int
    share: float = 0.5


@attrs.frozen
class Outer:
    name: str
    active: bool = True
    inners: tuple[Inner, ...] = ()
    by_name: Mapping[str, Inner] = attrs.field(factory=dict)
    maybe: Inner | None = None


@attrs.frozen
class Checked:
    port: int = attrs.field(validator=attrs.validators.lt(10))


def faults_of(value: object, kind: Any = Outer, at: str = "") -> tuple[str, ...]:
    with pytest.raises((ClassValidationError, WrongValue)) as caught:
        strict_converter().structure(value, kind)
    return explain(caught.value, at=at)


def test_the_right_types_pass() -> None:
    value = {
        "name": "x",
        "inners": [{"number": 1, "share": 2}],
        "by_name": {"a": {"number": 3, "share": 0.25}},
        "maybe": None,
    }
    assert strict_converter().structure(value, Outer) == Outer(
        name="x", inners=(Inner(1, 2.0),), by_name={"a": Inner(3, 0.25)}
    )


def test_all_faults_of_all_levels_are_named_under_the_given_address() -> None:
    value = {
        "name": 5,
        "active": "false",
        "inners": [{"number": 1}, {"number": True, "shares": 1}, 7],
        "by_name": {"a": {"share": "x"}, "b.c": {"number": 1.0}},
        "maybe": {"number": None},
        "actve": False,
    }
    assert faults_of(value, at="caches[0]") == (
        "caches[0].name: expected a string, got 5",
        'caches[0].active: expected true or false, got "false"',
        "caches[0].inners[1].number: expected a whole number, got true",
        'caches[0].inners[1]: unknown key "shares" (did you mean "share"?)',
        "caches[0].inners[2]: expected an object, got 7",
        'caches[0].by_name.a: the key "number" is missing',
        'caches[0].by_name.a.share: expected a number, got "x"',
        'caches[0].by_name."b.c".number: expected a whole number, got 1.0',
        "caches[0].maybe.number: expected a whole number, got null",
        'caches[0]: unknown key "actve" (did you mean "active"?)',
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_numbers_are_finite(value: object) -> None:
    (fault,) = faults_of({"number": 1, "share": value}, Inner)
    assert fault.startswith("share: expected a finite number, got ")


def test_a_fault_of_the_program_is_not_explained_away() -> None:
    with pytest.raises(ZeroDivisionError):
        explain(ZeroDivisionError())
    with pytest.raises(ClassValidationError) as caught:
        strict_converter().structure({"port": 11}, Checked)
    with pytest.raises(ValueError, match="port"):
        explain(caught.value)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_nothing_is_converted(value: object) -> None:
    for kind in (str, int, bool):
        try:
            made = strict_converter().structure(value, kind)
        except WrongValue:
            assert type(value) is not kind
        else:
            assert made is value


@pytest.mark.parametrize(
    ("parent", "key", "written"),
    [
        ("", "jobs", "jobs"),
        ("jobs", "my-package", "jobs.my-package"),
        ("jobs", "a.b", 'jobs."a.b"'),
        ("jobs", 'say "x"', 'jobs."say \\"x\\""'),
        ("jobs.a.caches", 0, "jobs.a.caches[0]"),
        ("jobs", "a\nb", 'jobs."a\\nb"'),
    ],
)
def test_addresses(parent: str, key: str | int, written: str) -> None:
    assert address(parent, key) == written


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("retires", ["retries", "timeout"], "retries"),
        ("allow-eval-failures", ["allow_eval_failures"], "allow_eval_failures"),
        ("CACHES", ["caches"], "caches"),
        ("zzz", ["caches"], None),
        ("x" * 1_000_000, ["x"], None),
        ("x", [], None),
    ],
)
def test_what_was_meant(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant
    assert did_you_mean(word, known) == (f' (did you mean "{meant}"?)' if meant else "")
