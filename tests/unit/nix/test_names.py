from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ekaci_core.nix.names import parse_name


@pytest.mark.parametrize(
    ("name", "pname", "version"),
    [
        ("hello-2.12.1", "hello", "2.12.1"),
        ("hello", "hello", None),
        ("linux-headers", "linux-headers", None),
        ("linux-headers-6.12", "linux-headers", "6.12"),
        ("perl5.38.2-Term-VT102-0.91", "perl5.38.2-Term-VT102", "0.91"),
        ("python3.13-requests-2.32.3", "python3.13-requests", "2.32.3"),
        ("foo-1.0-unstable-2024-01-01", "foo", "1.0-unstable-2024-01-01"),
        ("foo-unstable-2024-01-01", "foo-unstable", "2024-01-01"),
        ("foo-v1.0", "foo-v1.0", None),
        ("foo-1", "foo", "1"),
        ("foo-_1", "foo", "_1"),
        ("foo--1", "foo", "-1"),
        ("foo-", "foo-", None),
        ("foo-é", "foo", "é"),
        ("-1", "", "1"),
        ("", "", None),
    ],
)
def test_the_version_begins_after_the_first_dash_without_a_letter(name: str, pname: str, version: str | None) -> None:
    assert parse_name(name) == (pname, version)


@given(st.text(st.sampled_from("ab1.-_+"), max_size=12))
def test_nothing_is_lost_but_one_dash(name: str) -> None:
    pname, version = parse_name(name)
    assert name == (pname if version is None else f"{pname}-{version}")
