from __future__ import annotations

import pytest

from ekaci_core.model.errors import InfrastructureFault
from ekaci_core.model.evaluation import FaultKind
from ekaci_core.nix.eval_errors import Home, read_error

HOME = Home.of(["/srv/work", "/srv/work/tree"], wrapper="/opt/worker.nix")

MISSING = """trace: a warning
\x1b[31;1merror:\x1b[0m attribute 'xtrans' missing

       \x1b[34;1mat \x1b[35;1m/srv/work/tree/pkgs/xorg.nix:407:11\x1b[0m:

          406|         commonBuildInputs = [
          407|           xtrans
             |           ^
"""

TRACED = """error:
       … while calling the 'foldl'' builtin
         at /opt/worker.nix:130:5:
          129|     in
          130|     foldl' f 0

       … while evaluating the attribute 'buildInputs'
         at /srv/work/tree/a.nix:1:2:

       (stack trace truncated; use '--show-trace' to show the full, detailed trace)

       error: undefined variable 'gsl'
       at /srv/work/tree/pkgs/gsl.nix:3:4:
            3| gsl
"""


def test_an_error_of_an_old_nix() -> None:
    error = read_error(MISSING, HOME)
    assert error.kind is FaultKind.ERROR
    assert error.position == "pkgs/xorg.nix:407:11"
    assert error.message.startswith("error: attribute 'xtrans' missing")
    assert "at pkgs/xorg.nix:407:11:" in error.message
    assert error.message.endswith("^")
    assert "warning" not in error.message


def test_a_trace_without_our_own_frames() -> None:
    error = read_error(TRACED, HOME)
    assert "worker.nix" not in error.message
    assert "truncated" not in error.message
    assert error.message.startswith("error:\n       … while evaluating the attribute 'buildInputs'")
    assert error.message.endswith("3| gsl")
    assert error.position == "pkgs/gsl.nix:3:4"


def test_a_trace_of_nothing_but_our_own_frames_is_no_trace() -> None:
    head, _, rest = TRACED.partition("       … while evaluating")
    error = read_error(head + rest[rest.index("       (stack") :], HOME)
    assert error.message.startswith("error: undefined variable 'gsl'\n       at pkgs/gsl.nix:3:4:")


def test_a_position_in_the_wrapper_is_no_position() -> None:
    text = """error: function 'anonymous' called without required argument 'needed'

       at /opt/worker.nix:35:62:

           34|     if isFunction value then
           35|       value { }
             |       ^
           36|     else
"""
    error = read_error(text, HOME)
    assert error.message == "error: function 'anonymous' called without required argument 'needed'"
    assert error.position is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("error: infinite recursion encountered", FaultKind.INFINITE_RECURSION),
        ("error: stack overflow; max-call-depth exceeded", FaultKind.STACK_OVERFLOW),
        ("error: attribute '[\"f\"]' is a function, which is not supported", FaultKind.NOT_A_PACKAGE),
        ("error: anything else", FaultKind.ERROR),
        ("", FaultKind.ERROR),
    ],
)
def test_kinds(text: str, kind: FaultKind) -> None:
    error = read_error(text, HOME)
    assert error.kind is kind
    assert error.message.startswith("error:")


@pytest.mark.parametrize(
    "text",
    [
        "error: writing to file: No space left on device",
        "error: committing transaction: database or disk is full (in '/nix/var/nix/db/db.sqlite')",
        "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
        "error: creating directory '/nix/store/x': Permission denied",
        "error: opening file '/a': Too many open files",
    ],
)
def test_the_machine_is_at_fault(text: str) -> None:
    with pytest.raises(InfrastructureFault) as caught:
        read_error(text, HOME)
    assert caught.value.what in text
    assert caught.value.do


def test_the_checkout_is_taken_out_wherever_it_stands() -> None:
    text = "error: getting status of '/srv/work/tree/a/b' (in /srv/work/tree, not /srv/work/treehouse): none"
    assert read_error(text, HOME).message == "error: getting status of 'a/b' (in ., not treehouse): none"


def test_overlong_texts_are_cut() -> None:
    assert len(read_error("error: " + "x" * 1_000_000, HOME).message) < 30_000
