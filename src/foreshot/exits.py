"""Exits: how what goes wrong becomes one line on standard error, and an exit code."""

import contextlib
import errno
import shlex
from collections.abc import Iterator
from pathlib import Path

import typer

from foreshot.errors import ForeshotError
from foreshot.progress import printable
from foreshot.rundir import EXPERIMENT_FILE, NO_ROOM

VIOLATED = 1
INTERRUPTED = 130
SERVE_EXTRA = {"fastapi", "fastapi_offline", "httptools", "prometheus_client", "starlette", "uvicorn", "uvloop"}


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


@contextlib.contextmanager
def interruption_as_one_line(folder: Path | None) -> Iterator[None]:
    """Leave with 130 on Ctrl-C; `folder` is the run's, or None for a command that writes nothing."""
    try:
        yield
    except KeyboardInterrupt:
        if folder and (folder / EXPERIMENT_FILE).exists():
            _stop(
                f"stopped; what is finished is kept; go on with: foreshot compare {shlex.quote(str(folder))}",
                INTERRUPTED,
            )
        _stop("stopped before anything was written", INTERRUPTED)


def _stop(message: str, code: int) -> None:
    typer.echo(f"foreshot: {printable(message)}", err=True)
    raise typer.Exit(code)
