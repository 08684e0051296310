"""Exits: how what goes wrong becomes one line on standard error, and an exit code."""

import contextlib
import errno
import os
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from foreshot.cli.streams import STANDARD_OUTPUT
from foreshot.data.texts import excerpt
from foreshot.errors import ForeshotError
from foreshot.files.atomic import NO_ROOM
from foreshot.progress import printable
from foreshot.results.run_folder import EXPERIMENT_FILE

VIOLATED, FAULT = 1, 70  # EX_SOFTWARE, as sysexits.h calls it
INTERRUPTED, TERMINATED = 130, 143
DENIED = frozenset({errno.EACCES, errno.EROFS, errno.EPERM})
LONGEST_PLACE = 200
"""Characters of a file's name that a message shows."""
NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"  # how PyTorch says it
SERVE_EXTRA = {"fastapi", "fastapi_offline", "httptools", "prometheus_client", "starlette", "uvicorn", "uvloop"}


class Terminated(KeyboardInterrupt):
    """SIGTERM asked the process to end: it is cleaned up after as after Ctrl-C."""


OPTIONS = {"suite_labels": "--suite-label", "thresholds": "--threshold"}
"""Of settings whose option isn't called as they are."""


def option(setting: str) -> str:
    """What a setting is called on the command line."""
    return OPTIONS.get(setting) or "--" + setting.replace("_", "-")


@contextlib.contextmanager
def errors_as_one_line() -> Iterator[None]:
    """Leave with an error's exit code and its line; what is nobody's fault but ours keeps its traceback before it."""
    try:
        yield
    except ForeshotError as error:
        _stop(error.naming_settings(option), error.exit_code)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("foreshot"):
            _fail()
        extra = "serve" if error.name in SERVE_EXTRA else "train"
        _stop(f"{error.name} is not installed; this needs pip install 'foreshot[{extra}]'", ForeshotError.exit_code)
    except BrokenPipeError:
        raise  # whoever read the output has had enough of it
    except OSError as error:
        _stop(_about_a_file(error), ForeshotError.exit_code)
    except Exception as error:
        if isinstance(error, MemoryError) or NO_MEMORY in str(error):
            _stop(
                "not enough memory; what is finished is kept; free some, or ask for a smaller batch, and start again",
                ForeshotError.exit_code,
            )
        _fail()


@contextlib.contextmanager
def interruption_as_one_line(folder: Path | None) -> Iterator[None]:
    """Leave with 130 on Ctrl-C and 143 on SIGTERM; `folder` is the run's, or None for a command that makes none."""
    try:
        with _terminable():
            yield
    except KeyboardInterrupt as error:
        code = TERMINATED if isinstance(error, Terminated) else INTERRUPTED
        if folder and (folder / EXPERIMENT_FILE).exists():
            _stop(f"stopped; what is finished is kept; go on with: foreshot compare {shlex.quote(str(folder))}", code)
        _stop("stopped before anything was written", code)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM raise Terminated; a program's own handler, as where it calls this in a thread, is left alone."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _about_a_file(error: OSError) -> str:
    """What the system said, of which file, and what to do about it."""
    what = excerpt(error.strerror or error, LONGEST_PLACE)
    if error.filename == STANDARD_OUTPUT:
        return f"{STANDARD_OUTPUT}: can't be written ({what}); send it elsewhere, and start again"
    where = f"{_cut(error.filename)}: " if error.filename else ""
    if error.errno in NO_ROOM:
        return f"{where}{what}; what is finished is kept; make room and start again"
    if error.errno in DENIED:
        return f"{where}{what}; what is finished is kept; make the folder writable and start again"
    if error.errno == errno.ENAMETOOLONG:
        return f"{where}{what}; name a file or folder that is there, or choose a shorter name"
    if error.errno == errno.EISDIR:
        return f"{where}{what}, and a file belongs there; move it away and start again"
    return f"{where}{what}; see to it and start again"


def _cut(filename: object) -> str:
    """A file's name, which may be bytes or a descriptor; of a long one the beginning."""
    name = os.fsdecode(filename) if isinstance(filename, bytes) else str(filename)
    return name if len(name) <= LONGEST_PLACE else name[:LONGEST_PLACE] + "…"


def _fail() -> NoReturn:
    for line in traceback.format_exc().splitlines():
        typer.echo(printable(line), err=True)
    _stop("a fault of Foreshot's own; what is finished is kept; please report it with the lines above", FAULT)


def _stop(message: str, code: int) -> NoReturn:
    typer.echo(f"foreshot: {printable(message)}", err=True)
    sys.exit(code)
