"""Faults that are the machine's or the moment's: an evaluation that has one is not taken for the truth next time."""

from __future__ import annotations

from typing import Final

from ekaci_core.model.evaluation import AttributeFault, FaultKind

_KINDS: Final = frozenset({FaultKind.OUT_OF_MEMORY, FaultKind.TIMEOUT, FaultKind.EVALUATOR_DIED})

# What Nix says of the network, the disk and the daemon, in all versions since 2.8.
_PHRASES: Final = (
    "unable to download",
    "Could not resolve host",
    "Couldn't resolve host",
    "No space left on device",
    "Cannot allocate memory",
    "cannot connect to socket",
    "Nix daemon disconnected",
)


def may_pass(fault: AttributeFault) -> bool:
    """Say whether the same evaluation might succeed at another time.

    A fault of the whole job counts: what it costs to find it again is little.
    """
    return fault.attr == "" or fault.kind in _KINDS or any(phrase in fault.message for phrase in _PHRASES)
