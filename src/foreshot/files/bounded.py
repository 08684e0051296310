"""Small files: settings, decisions and the like, which may come from a stranger; their size is known before any memory
is taken, and what is no file is never waited for."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 2**18
"""Of settings: people write them, and YAML takes seconds for a megabyte."""


def open_file(path: Path) -> BinaryIO:
    """Open a plain file to be read; raises OSError for one that isn't there, a folder, a pipe or a device."""
    try:
        # Without O_NONBLOCK, opening a pipe waits for somebody to write into it.
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    except ValueError:
        raise OSError(errno.EINVAL, "its name holds a NUL character") from None
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        raise OSError(errno.EINVAL, "is a pipe or a device, not a file")
    return file


def read_small(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file of at most `most` bytes; raises OSError for any other, and what `open_file` does."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"is larger than {most:,} bytes")
        content = file.read(size + 1)
    if len(content) > size:
        raise OSError(errno.EIO, "grew while it was read")
    return content
