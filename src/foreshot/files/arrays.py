"""Arrays larger than memory: .npy files that grow by rows while they are written, and are read row by row.

They are read, not mapped: pages of a mapped file count as memory of the process that looks at them.
"""

import contextlib
import math
import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike

from foreshot.errors import RunFolderError


@contextlib.contextmanager
def growing_array(path: Path, *width: int, dtype: DTypeLike = np.float32) -> Iterator[Callable[[np.ndarray], None]]:
    """What appends rows, (any, *width), to a new .npy file, which is complete when the block ends.

    Raises OSError where there is no room. NumPy leaves room in a header for any number of rows.
    """
    rows = 0
    with path.open("wb") as file:

        def write_header() -> None:
            descr = npy.dtype_to_descr(np.dtype(dtype))
            npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": (rows, *width)})

        def append(array: np.ndarray) -> None:
            nonlocal rows
            if array.shape[1:] != width:
                raise ValueError(f"rows of shape {array.shape[1:]}, not {width}")
            file.write(np.ascontiguousarray(array, dtype=dtype).data)
            rows += len(array)

        write_header()
        yield append
        file.seek(0)
        write_header()


class ArrayFile:
    """An array in an .npy file: `file[numbers]` reads the rows of these numbers, `span` those that lie together.

    Raises RunFolderError where the file is missing or damaged. Several threads may read at once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                npy.read_magic(file)
                self.shape, by_columns, self.dtype = npy.read_array_header_1_0(file)
                self._begin = file.tell()
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError):
            raise self._damaged() from None
        weakref.finalize(self, os.close, self._descriptor)
        self._size = self.dtype.itemsize * math.prod(self.shape[1:])  # of a row, in bytes
        whole = self._begin + len(self) * self._size
        if by_columns or self.dtype.hasobject or os.fstat(self._descriptor).st_size != whole:
            raise self._damaged()

    def __len__(self) -> int:
        return int(self.shape[0])

    def span(self, begin: int, end: int) -> np.ndarray:
        """The rows from `begin` to before `end`."""
        found = np.empty((end - begin, *self.shape[1:]), dtype=self.dtype)
        self._read_into(found, begin)
        return found

    def windows(self, size: int) -> Iterator[np.ndarray]:
        """All rows in their order, `size` at a time."""
        return (self.span(begin, min(begin + size, len(self))) for begin in range(0, len(self), size))

    def __getitem__(self, numbers: np.ndarray) -> np.ndarray:
        found = np.empty((len(numbers), *self.shape[1:]), dtype=self.dtype)
        for place, number in enumerate(numbers):
            self._read_into(found[place : place + 1], int(number))
        return found

    def _read_into(self, space: np.ndarray, row: int) -> None:
        rest, at = space.reshape(-1).view(np.uint8).data, self._begin + row * self._size
        while rest:
            count = os.preadv(self._descriptor, [rest], at)
            if not count:
                raise self._damaged()
            rest, at = rest[count:], at + count

    def _damaged(self) -> RunFolderError:
        return RunFolderError(f"{self._path}: is damaged; remove {self._path.parent}, which is then made again")
