"""When an attempt is made again that ended for a reason which may pass by itself."""

from __future__ import annotations

import attrs


@attrs.frozen
class Backoff:
    """A schedule of attempts, further and further apart.

    With the defaults the second attempt comes 5 s after the first, and the others 15 s and 45 s later: a daemon that
    restarts and a network that stumbles are back by then, and what is not is told within two minutes.

    Attributes:
        first_seconds: pause before the second attempt.
        factor: how much longer each pause is than the one before.
        most_seconds: the longest pause.
        attempts: how many are made in all; 1 makes none again.
    """

    first_seconds: float = attrs.field(default=5, validator=attrs.validators.ge(0))
    factor: float = attrs.field(default=3, validator=attrs.validators.ge(1))
    most_seconds: float = attrs.field(default=300, validator=attrs.validators.ge(0))
    attempts: int = attrs.field(default=4, validator=attrs.validators.ge(1))

    def pause(self, made: int) -> float | None:
        """Return the seconds to wait after so many attempts that ended in this way; None after the last.

        Any number of attempts has an answer: the pauses are bounded, so they cannot overflow.
        """
        if made >= self.attempts:
            return None
        pause = self.first_seconds
        for _ in range(made - 1):
            pause *= self.factor
            if pause >= self.most_seconds:
                break
        return min(pause, self.most_seconds)
