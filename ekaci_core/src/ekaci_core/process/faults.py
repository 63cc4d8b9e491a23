"""What goes wrong with a child process itself, whatever it was meant to do."""

from __future__ import annotations

from ekaci_core.model.errors import InfrastructureFault


class ProgramMissing(InfrastructureFault):
    """The program is not on PATH, or may not be run."""

    def __init__(self, program: str) -> None:
        super().__init__(
            f"the program {program!r} was not found", where="PATH", do=f"install it, or add it to PATH: {program}"
        )
        self.program = program


class ChildTimedOut(InfrastructureFault):
    """A child ran past its deadline and was stopped."""

    def __init__(self, program: str, seconds: float) -> None:
        super().__init__(f"took longer than {seconds:g} seconds and was stopped", where=program)
        self.seconds = seconds


class OutputTooLarge(InfrastructureFault):
    """A child wrote more than was allowed."""

    def __init__(self, program: str, limit: int) -> None:
        super().__init__(f"wrote more than {limit} bytes and was stopped", where=program)
        self.limit = limit


class InputClosed(InfrastructureFault):
    """A child no longer reads what it is sent: it closed its input, or it died."""

    def __init__(self, program: str) -> None:
        super().__init__("stopped reading its input", where=program)
