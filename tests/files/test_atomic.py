"""Files whole or not at all, and stages finished or not there."""

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

from foreshot.files import atomic
from foreshot.files.atomic import (
    remove_leftovers,
    replacing_folder,
    write_atomically,
    write_json,
    writing_atomically,
)
from foreshot.files.fingerprints import file_digest, fingerprint
from foreshot.files.locks import holding
from foreshot.files.stages import MARKER, building, is_finished

LEAST = {"name": "run", "data": "a.csv", "encoder": "some/encoder"}


class NoRoom(OSError):
    pass


@pytest.fixture
def full_disk(monkeypatch):
    def fail(descriptor):
        raise NoRoom(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, "über")
    assert path.read_bytes() == "über".encode()
    write_atomically(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert names(path.parent) == {"file.txt"}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, full_disk):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(NoRoom):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == {"file.txt"}


def test_a_file_is_synced_before_it_takes_its_name(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    seen = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(path.exists()) or sync(descriptor))
    write_atomically(path, "new")
    assert seen == [False, True]  # the file, then its folder


def test_a_file_is_written_piece_by_piece_and_takes_its_name_at_the_end(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with writing_atomically(path) as file:
        file.write(b"one ")
        assert not path.exists()
        file.write(b"two")
    assert path.read_bytes() == b"one two"
    assert names(path.parent) == {"file.txt"}


def write_half(path, error) -> None:
    with writing_atomically(path) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_a_file_whose_writing_stops_leaves_the_old_one_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error):
        write_half(path, error)
    assert path.read_text() == "old"
    assert names(tmp_path) == {"file.txt"}


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, writing_atomically(tmp_path / "file.txt"):
        (tmp_path / "other.txt").read_text()
    assert caught.value.filename == str(tmp_path / "other.txt")


def test_what_a_killed_process_left_of_a_file_is_removed_and_what_a_running_one_writes_is_not(tmp_path):
    path = tmp_path / "file.txt"
    (tmp_path / ".file.txt.4711.tmp").write_text("half")
    (tmp_path / ".other.txt.4711.tmp").write_text("half")
    (tmp_path / ".file.txt.4712.tmp").write_text("being written")
    with holding(tmp_path / ".file.txt.4712.tmp"):
        write_atomically(path, "new")
    assert names(tmp_path) == {"file.txt", ".other.txt.4711.tmp", ".file.txt.4712.tmp"}


def test_json_is_readable_and_refuses_what_is_no_json(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"ü": [1, None]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"ü": [1, None]}
    assert "ü" in path.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, float("nan"))
    assert json.loads(path.read_text(encoding="utf-8")) == {"ü": [1, None]}


def test_fingerprints():
    assert fingerprint({"b": [1, "é"], "a": None}) == fingerprint({"a": None, "b": [1, "é"]})
    expected = hashlib.sha256(b'{"a":null,"b":[1,"\\u00e9"]}').hexdigest()
    assert fingerprint({"b": [1, "é"], "a": None}) == expected[:16]
    assert len({fingerprint(value) for value in (1, "1", [1], None, 1.5, {"a": 1})}) == 6


def test_file_digest(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert file_digest(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def build(stage, made_from, content="made") -> None:
    with building(stage, made_from) as workplace:
        (workplace / "inner").mkdir()
        (workplace / "inner" / "file.txt").write_text(content)


def build_half(stage, made_from, error) -> None:
    with building(stage, made_from) as workplace:
        (workplace / "file.txt").write_text("half")
        raise error


def test_a_stage_is_there_when_it_is_finished_and_not_before(tmp_path):
    stage = tmp_path / "students" / "odd" / "seed-0"
    assert not is_finished(stage, "abc")
    with building(stage, "abc") as workplace:
        assert workplace != stage
        assert not stage.exists()
        (workplace / "file.txt").write_text("made")
    assert (stage / "file.txt").read_text() == "made"
    assert names(stage.parent) == {"seed-0"}
    assert is_finished(stage, "abc")
    assert not is_finished(stage, "abd")
    assert stage.stat().st_mode & 0o777 == 0o755  # not the 0o700 of a temporary folder


def test_a_folder_without_its_marker_is_not_finished(tmp_path):
    build(tmp_path / "stage", "abc")
    (tmp_path / "stage" / MARKER).unlink()
    assert not is_finished(tmp_path / "stage", "abc")
    (tmp_path / "stage" / MARKER).write_bytes(b"\xff")
    assert not is_finished(tmp_path / "stage", "abc")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_stage_that_fails_leaves_nothing(tmp_path, error):
    stage = tmp_path / "stage"
    with pytest.raises(error):
        build_half(stage, "abc", error)
    assert names(tmp_path) == set()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_stage_that_fails_leaves_the_one_that_was_there(tmp_path, error):
    stage = tmp_path / "stage"
    build(stage, "abc", "old")
    with pytest.raises(error):
        build_half(stage, "other", error)
    assert names(tmp_path) == {"stage"}
    assert is_finished(stage, "abc")
    assert (stage / "inner" / "file.txt").read_text() == "old"


def test_a_full_disk_leaves_the_stage_that_was_there(tmp_path, monkeypatch):
    stage = tmp_path / "stage"
    build(stage, "abc", "old")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(NoRoom(28, "No space left on device")))
    with pytest.raises(OSError, match=r"No space left on device.*stage"):
        build(stage, "other", "new")
    assert names(tmp_path) == {"stage"}
    assert is_finished(stage, "abc")


def test_a_stage_made_from_something_else_is_replaced_whole(tmp_path):
    stage = tmp_path / "stage"
    build(stage, "abc")
    with building(stage, "other") as workplace:
        (workplace / "new.txt").write_text("new")
    assert names(stage) == {"new.txt", MARKER}
    assert is_finished(stage, "other")
    assert names(tmp_path) == {"stage"}


def test_a_folder_that_was_never_finished_is_replaced(tmp_path):
    stage = tmp_path / "stage"
    stage.mkdir()
    (stage / "half.txt").write_text("half")
    build(stage, "abc")
    assert names(stage) == {"inner", MARKER}


def test_leftovers_of_this_stage_alone_are_removed(tmp_path):
    for name in (".odd.x1y2z3w4.tmp", ".odd-lora.x1y2z3w4.tmp", "odd", ".even.x1y2z3w4.tmp", ".odd.toml"):
        (tmp_path / name).mkdir()
    remove_leftovers(tmp_path / "odd")
    assert names(tmp_path) == {".odd-lora.x1y2z3w4.tmp", "odd", ".even.x1y2z3w4.tmp", ".odd.toml"}


KILLED = """
import sys
from pathlib import Path
from foreshot.files.stages import building
with building(Path(sys.argv[1]), "abc") as workplace:
    (workplace / "file.txt").write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_at_the_next_try(tmp_path):
    stage = tmp_path / "stage"
    command = [sys.executable, "-c", KILLED, str(stage)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    assert len(names(tmp_path)) == 1
    assert not stage.exists()
    assert not is_finished(stage, "abc")
    build(stage, "abc")
    assert names(tmp_path) == {"stage"}
    assert names(stage) == {"inner", MARKER}


def test_what_a_running_process_builds_is_left_alone(tmp_path):
    """Two exports to one name: neither takes the other's unfinished folder away, and the later one stays."""
    folder = tmp_path / "bundle"
    with replacing_folder(folder) as first:
        (first / "file.txt").write_text("first")
        with replacing_folder(folder) as second:
            (second / "file.txt").write_text("second")
            assert (first / "file.txt").exists()
    assert (folder / "file.txt").read_text() == "first"
    assert names(tmp_path) == {"bundle"}


# ---- names of folders that are replaced ----

REPLACED = """
import os, signal, sys
from pathlib import Path
from foreshot.files import atomic
folder, number, when, exchanges = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4] == "exchanges"
done = 0
def watching(rename):
    def watched(*names):
        global done
        done += 1
        if done == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        rename(*names)
        if done == number and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
    return watched
def no_exchange(*names):
    raise OSError(22, "no such call")
os.rename = watching(os.rename)
atomic._exchange = watching(atomic._exchange) if exchanges else no_exchange
with atomic.replacing_folder(folder) as workplace:
    (workplace / "file.txt").write_text("new")
"""


@pytest.mark.parametrize(
    ("exchanges", "number", "when", "then"),
    [
        ("exchanges", 1, "before", "old"),
        ("exchanges", 1, "after", "new"),
        ("steps", 1, "before", "old"),
        ("steps", 1, "after", None),
        ("steps", 2, "before", None),
        ("steps", 2, "after", "new"),
    ],
)
def test_a_folder_that_is_replaced_is_never_lost(tmp_path, exchanges, number, when, then):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "file.txt").write_text("old")
    killed = subprocess.run([sys.executable, "-c", REPLACED, str(folder), str(number), when, exchanges], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert ((folder / "file.txt").read_text() if folder.exists() else None) == then
    remove_leftovers(folder)
    assert (folder / "file.txt").read_text() == (then or "old")  # recovered where there was none
    assert names(tmp_path) == {"bundle"}


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_is_replaced_on_either_kind_of_file_system(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(atomic, "_exchange", lambda *_: (_ for _ in ()).throw(OSError(22, "no such call")))
    build(tmp_path / "stage", "abc", "old")
    build(tmp_path / "stage", "other", "new")
    assert (tmp_path / "stage" / "inner" / "file.txt").read_text() == "new"
    assert names(tmp_path) == {"stage"}


def test_where_the_new_folder_can_not_take_the_name_the_old_one_keeps_it(tmp_path, monkeypatch):
    stage = tmp_path / "stage"
    build(stage, "abc", "old")
    rename, done = os.rename, []

    def refuse_the_second(*paths):
        done.append(paths)
        if len(done) == 2:
            raise PermissionError(1, "no")
        rename(*paths)

    monkeypatch.setattr(atomic, "_exchange", lambda *_: (_ for _ in ()).throw(OSError(22, "no such call")))
    monkeypatch.setattr(os, "rename", refuse_the_second)
    with pytest.raises(PermissionError):
        build(stage, "other", "new")
    assert (stage / "inner" / "file.txt").read_text() == "old"
    assert names(tmp_path) == {"stage"}
