"""The standard streams, made fit to write to: closed and full ones, and those of a locale that lacks letters."""

import io
import os
import sys
from typing import Any

from foreshot.errors import ConfigError

STANDARD_OUTPUT = "standard output"
ERROR_DESCRIPTOR = 2


def prepare_streams() -> None:
    """Replace standard output and error by streams of this module; raises ConfigError where the output is closed.

    Output that goes to a file or a pipe is UTF-8 whatever the locale: it is data, of which no letter may be lost. A
    terminal gets its own encoding, and backslash escapes for what that lacks. A standard error that is closed or full
    stops nothing.
    """
    # Where a test or a notebook put something in a stream's place, that stays.
    own_output, own_error = sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__
    if sys.stderr is None:
        _open_nowhere()
    elif own_error:
        sys.stderr = _stream(sys.stderr.fileno(), sys.stderr.encoding, name=None)
    if sys.stdout is None:
        raise ConfigError(f"{STANDARD_OUTPUT}: is closed; give it a place, such as a file or /dev/null")
    if own_output:
        encoding = sys.stdout.encoding if sys.stdout.isatty() else "utf-8"
        sys.stdout = _stream(sys.stdout.fileno(), encoding, name=STANDARD_OUTPUT)


def _open_nowhere() -> None:
    """A standard error that leads nowhere.

    Else the next file that is opened becomes descriptor 2, and libraries in C write their complaints into it.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != ERROR_DESCRIPTOR:
        os.dup2(nowhere, ERROR_DESCRIPTOR)
        os.close(nowhere)
    sys.stderr = _stream(ERROR_DESCRIPTOR, "utf-8", name=None)


def _stream(descriptor: int, encoding: str, *, name: str | None) -> io.TextIOWrapper:
    raw = _Descriptor(descriptor, name)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=name is None or raw.isatty(),
    )


class _Descriptor(io.FileIO):
    """A descriptor whose first error says its name, or goes unsaid where it has none; the rest is then dropped.

    Python would try again as it ends, and make another exit code of what was told by then.
    """

    def __init__(self, descriptor: int, called: str | None) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._called, self._failed = called, False

    def write(self, data: Any) -> int:
        """Write bytes; raises OSError with the stream's name."""
        if self._failed:
            return len(data)
        try:
            return super().write(data)
        except BrokenPipeError:
            raise  # whoever read has had enough
        except OSError as error:
            self._failed = True
            if self._called is None:
                return len(data)
            error.filename = self._called
            raise
