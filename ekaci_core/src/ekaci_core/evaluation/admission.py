"""How many evaluator processes the machine can take, and how much memory each."""

from __future__ import annotations

from typing import Final

import attrs

SHARE_PERCENT: Final = 80
"""How much of the available memory evaluators may use; the rest is for builds and everything else."""

COMFORTABLE_MIB: Final = 1536
"""What one worker should have before a second one begins: less makes it restart all the time on a large set."""

LARGEST_MIB: Final = 4096
"""What one worker gets at most unless more is asked for."""

SMALLEST_MIB: Final = 512
"""What a worker gets at least: below it hardly anything can be evaluated."""

_STEP_MIB: Final = 64


@attrs.frozen
class Budget:
    """What one evaluation may use while ``at_once`` evaluations run; ``memory_mib`` is of one worker."""

    workers: int
    memory_mib: int
    at_once: int


def budget(
    *,
    cpus: int,
    available_mib: int,
    evaluations: int = 2,
    workers: int | None = None,
    memory_mib: int | None = None,
) -> Budget:
    """Share the machine among evaluations.

    Workers are as many as there are processors and as memory allows. When they do not suffice for one each, fewer
    evaluations run at once and the others follow.

    Args:
        cpus: processors that may be used, at least 1.
        available_mib: memory that can be had without swapping.
        evaluations: how many would run at the same time, at least 1.
        workers: how many were asked for in all; None to decide here.
        memory_mib: how much memory was asked for, for each; None to decide here.
    """
    allowed_mib = available_mib * SHARE_PERCENT // 100
    total = workers or max(1, min(cpus, allowed_mib // (memory_mib or COMFORTABLE_MIB)))
    at_once = max(1, min(evaluations, total))
    each = total // at_once
    return Budget(each, memory_mib or _memory_of_one(allowed_mib, each * at_once), at_once)


def _memory_of_one(allowed_mib: int, workers: int) -> int:
    # Steps keep the figure the same from one run to the next.
    share = allowed_mib // workers // _STEP_MIB * _STEP_MIB
    return max(SMALLEST_MIB, min(LARGEST_MIB, share))
