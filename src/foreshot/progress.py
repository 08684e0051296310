"""Progress of long work, as the terminal shows it; the library itself is silent unless it is given a `Terminal`."""

import time
import unicodedata
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""Unicode's categories of what a terminal may obey, or what ends a line."""


class Progress(Protocol):
    """What long work reports to: a stage begins with its number of units, advances, and ends."""

    def say(self, message: str) -> None:
        """One line about what goes on."""

    def begin(self, stage: str, units: int) -> None:
        """A stage starts that is `units` units of work long."""

    def advance(self, units: int, state: str = "") -> None:
        """`units` units are done; `state` is a short word about where the work stands, such as its loss."""

    def skip(self, units: int) -> None:
        """`units` units were done before, by a process that was stopped; they say nothing about the pace."""

    def end(self) -> None:
        """The stage that began last is over, finished or not."""


class Silent:
    """Progress that nobody wants to see."""

    def say(self, message: str) -> None:
        """Say nothing."""

    def begin(self, stage: str, units: int) -> None:
        """Show nothing."""

    def advance(self, units: int, state: str = "") -> None:
        """Count nothing."""

    def skip(self, units: int) -> None:
        """Count nothing."""

    def end(self) -> None:
        """Show nothing."""


class Terminal:
    """Progress on a terminal: a bar with the time left; where output is a file, a line at least every 30 s."""

    LINE_EVERY = 30.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: RichProgress | None = None
        self._task = TaskID(0)
        self._stage, self._units, self._done, self._skipped = "", 0, 0, 0
        self._began = self._last_line = 0.0

    def say(self, message: str) -> None:
        """Print one line, as plain text."""
        self._console.print(printable(message), markup=False, highlight=False, soft_wrap=True)

    def begin(self, stage: str, units: int) -> None:
        """Show a bar of this length, or print a line where there is no terminal."""
        self._stage, self._units, self._done, self._skipped = stage, units, 0, 0
        self._began = self._last_line = time.monotonic()
        if self._console.is_terminal:
            self._bar = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[left]}  {task.fields[state]}", markup=False),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task(printable(stage), total=units, left="", state="")
            self._bar.start()
        else:
            self.say(f"{stage} …")

    def advance(self, units: int, state: str = "") -> None:
        """Move the bar on and reckon the time left from the pace so far."""
        self._done += units
        now = time.monotonic()
        left = (now - self._began) / max(self._done - self._skipped, 1) * (self._units - self._done)
        estimate = f"{duration(left)} left"
        if self._bar:
            self._bar.update(self._task, advance=units, left=estimate, state=printable(state))
        elif now - self._last_line >= self.LINE_EVERY:
            self._last_line = now
            self.say(f"{self._stage}: {self._done / max(self._units, 1):.0%}, {estimate}  {state}".rstrip())

    def skip(self, units: int) -> None:
        """Move the bar to where the work goes on, and say where that is."""
        self._done += units
        self._skipped += units
        if self._bar:
            self._bar.update(self._task, advance=units)
        self.say(f"{self._stage}: goes on at {self._done / max(self._units, 1):.0%}")

    def end(self) -> None:
        """Take the bar away and leave one line with the time that the stage took."""
        if self._bar:
            self._bar.stop()
            self._bar = None
        whole = self._done >= self._units
        took = duration(time.monotonic() - self._began)
        self.say(f"{self._stage}: {'done in' if whole else 'stopped after'} {took}")


def duration(seconds: float) -> str:
    """Seconds for people: "8 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def printable(text: str) -> str:
    """The text on one line, with control and format characters (escape sequences, bidi overrides) made visible."""
    return "".join(
        f"\\u{ord(char):04x}" if unicodedata.category(char) in HIDDEN else char for char in text.replace("\n", " ")
    )
