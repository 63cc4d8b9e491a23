"""The live display at a terminal, by rich."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from ekaci_core.cli.progress import status_lines
from ekaci_core.cli.progress_state import ProgressState


class LiveDisplay:
    """Lines that stay scroll up; below them stands what is going on now."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._spinner = Spinner("dots")
        self._live = Live(console=self._console, transient=True, refresh_per_second=8)
        self._live.start()

    def line(self, text: str) -> None:
        """Write above the live part."""
        self._console.print(Text(text, overflow="ellipsis", no_wrap=True))

    def refresh(self, state: ProgressState, now: float) -> None:
        """Redraw the live part."""
        self._spinner.update(text=Text(state.stage or "starting"))
        below = [Text(line, overflow="ellipsis", no_wrap=True) for line in status_lines(state, now)]
        self._live.update(Group(self._spinner, *below))

    def close(self) -> None:
        """Remove the live part."""
        self._live.stop()
