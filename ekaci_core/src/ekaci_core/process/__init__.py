"""Child processes and their logs."""

from ekaci_core.process.faults import ChildTimedOut, InputClosed, OutputTooLarge, ProgramMissing
from ekaci_core.process.lines import Line
from ekaci_core.process.output import OutputStream
from ekaci_core.process.running import Child, Completed, run, running
from ekaci_core.process.together import together

__all__ = [
    "Child",
    "ChildTimedOut",
    "Completed",
    "InputClosed",
    "Line",
    "OutputStream",
    "OutputTooLarge",
    "ProgramMissing",
    "run",
    "running",
    "together",
]
