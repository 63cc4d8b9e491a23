from __future__ import annotations

import copy
import json
import pickle

import attrs
import pytest

from ekaci_core.model.secret import REDACTED, Secret


@attrs.frozen
class Holder:
    token: Secret


def test_a_secret_prints_nothing_of_itself() -> None:
    secret = Secret("hunter2")
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>20}", f"{secret!r}", "%s" % secret]  # noqa: UP031
    assert set(shown) == {REDACTED}
    assert "hunter2" not in repr(Holder(secret)) + repr([secret]) + repr(attrs.asdict(Holder(secret)))
    assert secret.reveal() == "hunter2"


def test_two_are_equal_by_what_they_hold() -> None:
    assert Secret("ä") == Secret("ä")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert not Secret("")


def test_a_secret_does_not_leave_the_process_by_accident() -> None:
    for write in (pickle.dumps, json.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            write(Secret("hunter2"))
