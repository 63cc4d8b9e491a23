"""Values that nobody sees: tokens, keys, passwords."""

from __future__ import annotations

import hmac
from typing import Final, NoReturn

REDACTED: Final = "[REDACTED]"


class Secret:
    """A text that prints as ``[REDACTED]`` everywhere and only comes out by `reveal`.

    It cannot be pickled, serialised or formatted by accident; two are compared in constant time.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hide ``value``."""
        self._value = value

    def reveal(self) -> str:
        """Return the text. Call it where it is used, and keep the result in no variable that lives longer."""
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._value.encode(errors="surrogateescape"), other.reveal().encode(errors="surrogateescape")
        )

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")
