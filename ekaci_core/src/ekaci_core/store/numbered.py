"""A derivation as the graph of builds needs it."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ekaci_core.model.derivation import DerivationRecord


@attrs.frozen
class NumberedRecord:
    """A derivation and the numbers of its inputs, which are in the same order."""

    record: DerivationRecord
    inputs: Sequence[int]
