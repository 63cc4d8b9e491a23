from __future__ import annotations

import pytest

from ekaci_core.builtin.evaluators.selection import Selection


@pytest.mark.parametrize(
    ("globs", "attr", "wants", "may_hold"),
    [
        ((), "anything", True, True),
        (("curl",), "curl", True, False),
        (("curl",), "perl", False, False),
        (("perl.DBI",), "perl", False, True),
        (("perl.DBI",), "perl.DBI", True, False),
        (("perl.DBI",), "perlPackages", False, False),
        (("perl.*",), "perl", False, True),
        (("perl.*",), "perl.a.b", True, True),
        (("*",), "a.b", True, True),
        (("*.DBI",), "perl", False, True),
        (("p?rl.x",), "perl", False, True),
        (("[ab].x",), "a", False, True),
        (("perl.*", "curl"), "curl", True, False),
        (("Perl",), "perl", False, False),
    ],
)
def test_what_was_asked_for(globs: tuple[str, ...], attr: str, *, wants: bool, may_hold: bool) -> None:
    selection = Selection(globs)
    assert selection.wants(attr) is wants
    assert selection.may_hold(attr) is may_hold
