"""The page says of forges what their plugins say."""

from __future__ import annotations

from script import parity

from ekaci_core.api import ForgeCapability


def test_the_table_of_what_forges_can_do_is_as_their_plugins_say() -> None:
    page = parity.PAGE.read_text("utf-8")
    assert page == parity.written(page), "run script/parity.py"


def test_of_each_capability_something_is_said_where_it_is_missing() -> None:
    assert parity.INSTEAD.keys() == set(ForgeCapability)
