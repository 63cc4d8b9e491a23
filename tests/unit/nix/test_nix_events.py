from __future__ import annotations

import pytest

from ekaci_core.api import NixEvent, NixMessage, NixResult, NixStarted, NixStopped
from ekaci_core.nix.events import record_of
from ekaci_core.nix.internal_json import (
    ActivityKind,
    ActivityStarted,
    ActivityStopped,
    BuilderLine,
    Message,
    PhaseSet,
    Record,
)

DRV = "/nix/store/00000000000000000000000000000000-x.drv"


@pytest.mark.parametrize(
    ("event", "record"),
    [
        (NixStarted(1, 105, (DRV, "", 1, 1)), ActivityStarted(1, ActivityKind.BUILD, DRV)),
        (NixStarted(1, 111, (DRV,)), ActivityStarted(1, ActivityKind.WAITING_FOR_LOCK, DRV)),
        (NixStarted(1, 12345), ActivityStarted(1, ActivityKind.OTHER)),
        (NixStopped(1), ActivityStopped(1)),
        (NixResult(1, 101, ("\x1b[31mred\x1b[0m",)), BuilderLine(1, "\x1b[31mred\x1b[0m")),
        (NixResult(1, 107, ("of a hook",), cut=True), BuilderLine(1, "of a hook", cut=True)),
        (NixResult(1, 104, ("unpackPhase",)), PhaseSet(1, "unpackPhase")),
        (NixResult(1, 105, (1, 2, 3, 4)), None),
        (NixResult(1, 101, ()), None),
        (NixResult(1, 101, (5,)), None),
        (NixResult(1, 999, ("what is to come",)), None),
        (NixMessage(0, "\x1b[31;1merror:\x1b[0m no", is_error=True), Message(0, "error: no", is_error=True)),
        (NixMessage(1, "careful"), Message(1, "careful")),
    ],
)
def test_each_event_is_the_record_of_the_internal_json_log(event: NixEvent, record: Record | None) -> None:
    assert record_of(event) == record
