"""Exits: how what goes wrong becomes one line on standard error, and an exit code."""

import contextlib
import errno
import shlex
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from foreshot.errors import ForeshotError
from foreshot.progress import printable
from foreshot.rundir import EXPERIMENT_FILE, NO_ROOM

VIOLATED = 1
INTERRUPTED, TERMINATED = 130, 143
NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"  # how PyTorch says it
SERVE_EXTRA = {"fastapi", "fastapi_offline", "httptools", "prometheus_client", "starlette", "uvicorn", "uvloop"}


class Terminated(KeyboardInterrupt):
    """SIGTERM asked the process to end: it is cleaned up after as after Ctrl-C."""


@contextlib.contextmanager
def errors_as_one_line() -> Iterator[None]:
    """Leave with an error's exit code and its line; what is nobody's fault but ours keeps its traceback."""
    try:
        yield
    except ForeshotError as error:
        _stop(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("foreshot"):
            raise
        extra = "serve" if error.name in SERVE_EXTRA else "train"
        _stop(f"{error.name} is not installed; this needs pip install 'foreshot[{extra}]'", ForeshotError.exit_code)
    except OSError as error:
        if error.errno not in NO_ROOM | {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise
        where = f"{error.filename}: " if error.filename else ""
        remedy = "make room" if error.errno in NO_ROOM else "make the folder writable"
        _stop(f"{where}{error.strerror}; what is finished is kept; {remedy} and start again", ForeshotError.exit_code)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and NO_MEMORY not in str(error):
            raise
        _stop(
            "not enough memory; what is finished is kept; free some, or ask for a smaller batch, and start again",
            ForeshotError.exit_code,
        )


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


def _stop(message: str, code: int) -> None:
    typer.echo(f"foreshot: {printable(message)}", err=True)
    raise typer.Exit(code)
