"""Another process at work on the same machine, while something is measured beside it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread


@contextmanager
def company(work: Callable[..., object], *arguments: object) -> Iterator[None]:
    """Have another process do the work again and again; the block begins once it has done it for the first time.

    The other process is killed when the block ends, and it ends by itself when this process does, however that comes:
    the system then closes this process's end of a pipe that the other one waits at.
    Raises EOFError when the other process fails before it has done its work once; its traceback is on stderr.
    """
    context = get_context("spawn")
    theirs, held_here = context.Pipe(duplex=False)
    told_here, told = context.Pipe(duplex=False)
    process = context.Process(target=_repeat, args=(work, arguments, theirs, told), daemon=True)
    try:
        process.start()
        theirs.close()
        told.close()
        told_here.recv()
        yield
    finally:
        held_here.close()
        if process.pid is not None:
            process.kill()
            process.join()


def _repeat(work: Callable[..., object], arguments: tuple[object, ...], held: Connection, told: Connection) -> None:
    Thread(target=_end_with, args=(held,), daemon=True).start()
    work(*arguments)
    told.send("at work")
    while True:
        work(*arguments)


def _end_with(held: Connection) -> None:
    """End this process when the other end of the pipe closes; nothing is ever sent through it."""
    try:
        held.recv()
    finally:
        os._exit(1)
