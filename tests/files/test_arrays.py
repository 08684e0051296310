"""Arrays in files: what grows in them is what NumPy reads, and rows that are asked for are its rows."""

import numpy as np
import pytest

from foreshot.errors import RunFolderError
from foreshot.files.arrays import ArrayFile, growing_array


@pytest.fixture
def path(tmp_path):
    return tmp_path / "array.npy"


def write(path, *lots, width=(), dtype=np.float32):
    with growing_array(path, *width, dtype=dtype) as add:
        for lot in lots:
            add(np.array(lot).reshape(-1, *width))


@pytest.mark.parametrize(("width", "dtype"), [((), np.uint16), ((3,), np.float32), ((2, 2), np.int64)])
def test_numpy_reads_what_grew_and_so_does_the_file(path, width, dtype):
    rows = np.arange(1234 * int(np.prod(width))).reshape(-1, *width).astype(dtype)
    write(path, rows[:1], rows[1:1], rows[1:1000], rows[1000:], width=width, dtype=dtype)
    read = np.load(path, allow_pickle=False)
    assert read.dtype == dtype
    assert np.array_equal(read, rows)
    file = ArrayFile(path)
    assert (len(file), file.shape, file.dtype) == (1234, rows.shape, rows.dtype)
    assert np.array_equal(file.span(998, 1003), rows[998:1003])
    numbers = np.array([7, 1233, 0, 7])
    assert np.array_equal(file[numbers], rows[numbers])
    assert file[numbers[:0]].shape == (0, *width)
    windows = list(file.windows(500))
    assert [len(window) for window in windows] == [500, 500, 234]
    assert np.array_equal(np.concatenate(windows), rows)


def test_an_array_may_have_no_rows(path):
    write(path, width=(4,))
    assert ArrayFile(path).shape == np.load(path).shape == (0, 4)
    assert list(ArrayFile(path).windows(5)) == []


def test_rows_of_another_width_are_refused(path):
    with growing_array(path, 3) as add, pytest.raises(ValueError, match=r"rows of shape \(2,\), not \(3,\)"):
        add(np.zeros((5, 2)))


@pytest.mark.parametrize("damage", ["gone", "cut", "longer", "no array", "objects"])
def test_a_damaged_file_is_refused_by_name(path, damage):
    write(path, np.arange(100))
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "objects":
        np.save(path, np.array([{}]), allow_pickle=True)
    else:
        path.write_bytes({"cut": content[:-1], "longer": content + b"\0", "no array": b"PK" + content[2:]}[damage])
    with pytest.raises(RunFolderError, match=rf"{path}: is damaged; remove {path.parent}, which is then made again"):
        ArrayFile(path)


def test_a_file_that_shrinks_while_it_is_read_is_refused(path):
    write(path, np.arange(100))
    file = ArrayFile(path)
    path.write_bytes(path.read_bytes()[:-4])
    assert file.span(0, 99)[98] == 98
    with pytest.raises(RunFolderError, match="is damaged"):
        file.span(98, 100)
