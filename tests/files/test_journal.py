"""Journals: whole lines from several processes, rotation, limits, and disks that fail."""

import errno
import json
import multiprocessing
import os
import signal
import stat
import threading
from pathlib import Path

import pytest

from foreshot.files.journal import FullError, Journal, rotated

MANY = 10**9


def journal(folder: Path, file_bytes: int = MANY, files: int = 10) -> Journal:
    return Journal(file=folder / "feedback.jsonl", file_bytes=file_bytes, files=files)


def lines_of(folder: Path) -> list[str]:
    """All lines of a journal, file after file, as it was written."""
    file = folder / "feedback.jsonl"
    return [line for path in (*rotated(file).values(), file) for line in path.read_text("utf-8").splitlines()]


def test_lines_are_appended_in_order_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    kept.append(["one", "two"])
    kept.append(["drei: ß 🙂"])
    assert kept.file.read_bytes() == "one\ntwo\ndrei: ß 🙂\n".encode()
    assert stat.S_IMODE(kept.file.stat().st_mode) == 0o600


def test_a_file_that_is_full_takes_a_number_and_none_is_removed(tmp_path: Path) -> None:
    kept = journal(tmp_path, file_bytes=10, files=4)
    for number in range(8):
        kept.append([f"{number}abc"])  # 5 bytes each: two to a file
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("feedback.1.jsonl", "feedback.2.jsonl", "feedback.3.jsonl", "feedback.jsonl")
    ]
    assert list(rotated(kept.file)) == [1, 2, 3]
    assert lines_of(tmp_path) == [f"{number}abc" for number in range(8)]
    for _ in range(2):
        with pytest.raises(FullError):
            kept.append(["more"])
    assert lines_of(tmp_path) == [f"{number}abc" for number in range(8)]
    (tmp_path / "feedback.1.jsonl").unlink()  # who runs it has moved it away
    kept.append(["more"])
    assert lines_of(tmp_path)[-1] == "more"
    assert list(rotated(kept.file)) == [2, 3, 4]


def test_a_batch_stays_together_however_large(tmp_path: Path) -> None:
    kept = journal(tmp_path, file_bytes=10)
    kept.append(["x"])
    kept.append(["y" * 100, "z" * 100])
    assert (tmp_path / "feedback.1.jsonl").read_text() == "x\n"
    assert kept.file.read_text().splitlines() == ["y" * 100, "z" * 100]


def test_the_tenth_file_comes_after_the_ninth_and_others_are_left_alone(tmp_path: Path) -> None:
    strange = ("feedback.x.jsonl", "feedback.01.jsonl", "feedback.2.jsonl.bak", "feedback2.jsonl", "feedback.3.csv")
    for name in ("feedback.9.jsonl", "feedback.10.jsonl", *strange):
        (tmp_path / name).write_text(f"{name}\n")
    kept = journal(tmp_path, file_bytes=5, files=20)
    kept.append(["abcd"])
    kept.append(["efgh"])
    assert list(rotated(kept.file)) == [9, 10, 11]
    assert (tmp_path / "feedback.11.jsonl").read_text() == "abcd\n"
    assert [(tmp_path / name).read_text() for name in strange] == [f"{name}\n" for name in strange]


def append_many(folder: Path, who: int, count: int) -> None:
    kept = journal(folder, file_bytes=2_000, files=10_000)
    for number in range(count):
        kept.append([json.dumps({"who": who, "number": number, "half": half, "pad": "x" * 37}) for half in (0, 1)])


def test_processes_and_threads_never_mix_their_lines(tmp_path: Path) -> None:
    processes, count = 4, 60
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=append_many, args=(tmp_path, who, count)) for who in range(processes)]
    threads = [threading.Thread(target=append_many, args=(tmp_path, processes + who, count)) for who in range(2)]
    for one in (*running, *threads):
        one.start()
    for one in (*running, *threads):
        one.join()
    assert [one.exitcode for one in running] == [0] * processes
    found = [json.loads(line) for line in lines_of(tmp_path)]
    assert len(found) == (processes + 2) * count * 2
    for who in range(processes + 2):  # each one's in its order
        own = [(line["number"], line["half"]) for line in found if line["who"] == who]
        assert own == [(number, half) for number in range(count) for half in (0, 1)]
    pairs = zip(found[::2], found[1::2], strict=True)  # and each batch in one piece
    assert all((one["who"], one["number"]) == (other["who"], other["number"]) for one, other in pairs)
    assert len(rotated(tmp_path / "feedback.jsonl")) > 10


@pytest.mark.parametrize(
    "left", ['{"text": "half a li', '{"a": 1}\n{"text": "hal', "x" * 200_000, "ok\n" + "y" * 200_000]
)
def test_half_a_line_that_a_killed_process_left_is_cut_off(tmp_path: Path, left: str) -> None:
    kept = journal(tmp_path)
    kept.file.write_text(left)
    kept.append(["new"])
    whole = left[: left.rfind("\n") + 1]
    assert kept.file.read_text() == f"{whole}new\n"


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """The system itself writes less than is asked, and then nothing, once a file has the size that it may have."""
    kept = journal(tmp_path)
    kept.append(["before"])

    def limited() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            kept.append(["y" * 30, "z" * 30])
        kept.append(["little"])

    child = multiprocessing.get_context("fork").Process(target=limited)
    child.start()
    child.join()
    assert child.exitcode == 0
    assert kept.file.read_text() == "before\nlittle\n"


def test_a_failing_sync_is_told_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = journal(tmp_path)
    kept.append(["before"])

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            kept.append(["lost"])
    kept.append(["after"])
    assert kept.file.read_text() == "before\nafter\n"


def test_check_makes_the_file_and_refuses_what_can_not_be_written(tmp_path: Path) -> None:
    kept = journal(tmp_path)
    kept.check()
    assert kept.file.read_bytes() == b""
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("pipe.jsonl", "folder.jsonl", "nowhere/feedback.jsonl"):
        with pytest.raises(OSError, match=r"[a-z]"):
            Journal(file=tmp_path / name, file_bytes=MANY, files=2).check()


@pytest.mark.parametrize("kept", ['{"a": 1}', '{"a": 1}\n{"b": 2}'])
def test_a_last_line_that_is_whole_is_ended_and_kept(tmp_path: Path, kept: str) -> None:
    written = journal(tmp_path)
    written.file.write_text(kept, encoding="utf-8")
    written.check()
    assert written.file.read_text(encoding="utf-8") == f"{kept}\n"
