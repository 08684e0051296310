"""Saved Hugging Face datasets from strangers: nothing outside their folder is read, and what is damaged is refused."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest

from foreshot.data.reading.files import open_sheet
from foreshot.errors import DataError

SECRET = "a line of somebody else's"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A dataset that nobody was told to read."""
    return saved(tmp_path / "elsewhere", [SECRET])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return saved(tmp_path / "saved", ["one", "two"])


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    made = {name: datasets.Dataset.from_dict({"text": [name]}) for name in ("train", "test")}
    datasets.DatasetDict(made).save_to_disk(tmp_path / "parts")
    return tmp_path / "parts"


def saved(folder: Path, texts: list[str]) -> Path:
    datasets.Dataset.from_dict({"text": texts}).save_to_disk(folder)
    return folder


def arrow_file(folder: Path) -> Path:
    (found,) = folder.glob("*.arrow")
    return found


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def write_arrow(folder: Path, table: pa.Table) -> None:
    with pa.OSFile(str(arrow_file(folder)), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def offsets(*places: int) -> bytes:
    return b"".join(place.to_bytes(4, "little", signed=True) for place in places)


def change_texts(before: bytes, after: bytes) -> Callable[[Path, Path], None]:
    """Save two texts of 300 and 400 letters, whose offsets are 0, 300 and 700, and change bytes of the Arrow file."""

    def spoil(folder: Path, _: Path) -> None:
        write_arrow(folder, pa.table({"text": ["a" * 300, "b" * 400]}))
        content = arrow_file(folder).read_bytes()
        assert content.count(before) == 1
        arrow_file(folder).write_bytes(content.replace(before, after))

    return spoil


def link_out(folder: Path, elsewhere: Path) -> None:
    arrow_file(folder).unlink()
    arrow_file_elsewhere = arrow_file(elsewhere)
    (folder / arrow_file_elsewhere.name).symlink_to(arrow_file_elsewhere)


def link_in_a_circle(folder: Path, _: Path) -> None:
    name = arrow_file(folder)
    name.unlink()
    name.symlink_to(name)


def cells_without_end(folder: Path, _: Path) -> None:
    shutil.rmtree(folder)
    wide = pa.table({f"x{number}": pa.nulls(1) for number in range(300)})
    datasets.Dataset(wide).save_to_disk(folder)
    write_arrow(folder, pa.table([pa.nulls(200_000)] * 300, schema=wide.schema))  # which saving takes eight seconds for


def name_files(*names: object) -> Callable[[Path, Path], None]:
    return lambda folder, _: change(folder / "state.json", _data_files=[{"filename": name} for name in names])


def pipe_as_state(folder: Path, _: Path) -> None:
    (folder / "state.json").unlink()
    os.mkfifo(folder / "state.json")


def gigabytes_of_json(folder: Path, _: Path) -> None:
    with (folder / "dataset_info.json").open("wb") as file:
        file.truncate(2**33)


BAD: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "Arrow files elsewhere, by a relative name": (name_files("../elsewhere/data-00000-of-00001.arrow"), "not in its f"),
    "Arrow files elsewhere, by an absolute name": (
        lambda folder, other: name_files(str(arrow_file(other)))(folder, other), "not in its folder",
    ),
    "Arrow files elsewhere, by a link": (link_out, "leads out of the folder"),
    "a link in a circle": (link_in_a_circle, "can't be loaded"),
    "a folder as a file": (name_files(".."), "not in its folder"),
    "a number as a file": (name_files(7), "not in its folder"),
    "no list of files": (lambda folder, _: change(folder / "state.json", _data_files=None), "names no files"),
    "a pipe": (pipe_as_state, "is a pipe or a device"),
    "gigabytes of JSON": (gigabytes_of_json, "is larger than"),
    "deep JSON": (lambda folder, _: (folder / "dataset_info.json").write_text("[" * 100_000), "is damaged"),
    "JSON that is none": (lambda folder, _: (folder / "state.json").write_bytes(b"\xff{"), "is damaged"),
    "JSON that is no object": (lambda folder, _: (folder / "dataset_info.json").write_text("7"), "can't be loaded"),
    "no state": (lambda folder, _: (folder / "state.json").unlink(), "can't be read"),
    "an Arrow file that is cut off": (lambda folder, _: os.truncate(arrow_file(folder), 100), "can't be loaded"),
    "an Arrow file that is none": (lambda folder, _: arrow_file(folder).write_bytes(b"no arrow"), "can't be loaded"),
    "texts beyond the file's end": (change_texts(offsets(300, 700), offsets(300, 2**30)), "is damaged"),
    "texts that begin after their end": (change_texts(offsets(300, 700), offsets(800, 700)), "is damaged"),
    "texts that are no UTF-8": (change_texts(b"a" * 300, b"\xff" * 300), "is damaged"),
    "ten million rows of nothing": (
        lambda folder, _: write_arrow(folder, pa.table({"text": pa.nulls(10_000_001, pa.string())})),
        "at most 10,000,000 are read",
    ),
    "sixty million cells": (cells_without_end, "made to fill memory"),
    "two columns of one name": (
        lambda folder, _: write_arrow(folder, pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])), "",
    ),
}  # fmt: skip


def test_a_dataset_that_nobody_touched_is_read(folder: Path, tmp_path: Path) -> None:
    assert open_sheet(folder).columns == {"text": ["one", "two"]}
    (tmp_path / "by-a-link").symlink_to(folder)
    assert open_sheet(tmp_path / "by-a-link").columns == {"text": ["one", "two"]}


@pytest.mark.parametrize("name", BAD)
def test_bad_saved_datasets_are_refused_in_one_line(name: str, folder: Path, elsewhere: Path) -> None:
    spoil, complaint = BAD[name]
    spoil(folder, elsewhere)
    with pytest.raises(DataError) as refused:
        open_sheet(folder)
    assert complaint in str(refused.value)
    assert str(folder) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["../elsewhere", "/", "..", "train/../../elsewhere"])
def test_parts_are_in_the_folder(parts: Path, elsewhere: Path, name: str) -> None:
    change(parts / "dataset_dict.json", splits=[name if name != "/" else str(elsewhere)])
    with pytest.raises(DataError, match="not in its folder"):
        open_sheet(parts)


def test_a_part_by_a_link_is_in_the_folder_too(parts: Path, elsewhere: Path) -> None:
    shutil.rmtree(parts / "train")
    (parts / "train").symlink_to(elsewhere)
    with pytest.raises(DataError, match="leads out of the folder"):
        open_sheet(parts)
