"""Runs from strangers, and what stands beside a command's output: nothing else of the user's is written or removed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_bundles import tiny_bundle

from foreshot.files.atomic import replacing_folder, write_atomically

Foreshot = Callable[..., Any]
PRECIOUS = "what the user had\n"


def refused(done: Any, *words: str) -> str:
    assert done.exit_code == 2, (done.stdout, done.exception)
    (line,) = done.stderr.splitlines()
    assert line.startswith("foreshot: ")
    for word in words:
        assert word in line
    return str(line)


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious.txt"
    path.write_text(PRECIOUS)
    return path


# ---- a run that came from a stranger ----


@pytest.mark.parametrize("make", [os.symlink, os.link], ids=["link", "second name"])
def test_a_lock_that_leads_elsewhere_is_not_written_to(
    foreshot: Foreshot, run: Path, precious: Path, make: Callable[[Path, Path], None]
) -> None:
    make(precious, run / ".lock")
    refused(foreshot("compare", run), str(run / ".lock"), "is no lock of Foreshot's")
    assert precious.read_text() == PRECIOUS
    assert (run / ".lock").samefile(precious)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_lock_is_refused(foreshot: Foreshot, run: Path, make: Callable[[Path], Any]) -> None:
    make(run / ".lock")
    refused(foreshot("compare", run), str(run / ".lock"))
    assert not (run / "nowhere").exists()


def test_a_link_in_a_run_leads_to_no_other_run(foreshot: Foreshot, run: Path) -> None:
    mine = Path(shutil.copytree(run, run.with_name("mine")))
    shutil.rmtree(run / "students")
    (run / "students").symlink_to("../mine/students")
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    changed = (run / "experiment.yaml").read_text().replace("learning_rate: 0.002", "learning_rate: 0.004")
    (run / "experiment.yaml").write_text(changed)
    refused(foreshot("compare", run), str(run / "students"), "is a link, which no run holds")
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "name",
    [
        "data/.finished",
        "teacher/.finished",
        "teacher/training.json",
        "teacher/scores/asked.safetensors",
        ".x.12345.tmp",
    ],
)
def test_a_pipe_in_a_run_is_not_waited_for(foreshot: Foreshot, run: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    refused(foreshot("compare", run), str(run / name), "is a pipe or a device")


def test_a_run_by_a_link_is_taken_up(foreshot: Foreshot, run: Path) -> None:
    (run.parent / "by-a-link").symlink_to(run)
    done = foreshot("compare", run.parent / "by-a-link")
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    "damage", [b"", b"\xff{", b"[" * 100_000, b"7", None], ids=["empty", "bytes", "deep", "7", "gone"]
)
def test_a_record_that_is_damaged_is_refused_in_one_line(foreshot: Foreshot, run: Path, damage: bytes | None) -> None:
    record = run / "teacher" / "training.json"
    record.unlink() if damage is None else record.write_bytes(damage)
    refused(foreshot("compare", run), str(record), "is damaged; remove")


def test_a_model_that_is_removed_as_a_refusal_says_is_made_anew(foreshot: Foreshot, run: Path) -> None:
    shutil.rmtree(run / "teacher")
    done = foreshot("compare", run)
    assert done.exit_code == 0, done.stderr


def test_a_record_of_gigabytes_is_not_read(foreshot: Foreshot, run: Path) -> None:
    os.truncate(run / "teacher" / "training.json", 2**33)
    refused(foreshot("compare", run), "training.json: is damaged")


# ---- beside an output ----


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("text\nyou absolute walnut\n")
    return path


OUTPUTS: dict[str, tuple[str, ...]] = {"predict": ("--out",), "explain": ("--html",)}


@pytest.mark.parametrize("options", [("explain", "--html"), ("predict", "--bad-rows")], ids=["page", "bad rows"])
@pytest.mark.parametrize("how", ["itself", "a link", "a second name"])
def test_what_is_read_is_not_written_over(
    foreshot: Foreshot, bundle: Path, table: Path, options: tuple[str, str], how: str
) -> None:
    before, out = table.read_bytes(), table.with_name("out.csv")
    if how == "itself":
        out = table
    else:
        (os.symlink if how == "a link" else os.link)(table, out)
    command, option = options
    refused(foreshot(command, bundle, table, option, out), "is the file that is read; name another")
    assert table.read_bytes() == before


@pytest.mark.parametrize("command", OUTPUTS)
@pytest.mark.parametrize("name", ["foreshot.json", "scored.csv"])
def test_a_bundle_is_not_written_into(foreshot: Foreshot, bundle: Path, table: Path, command: str, name: str) -> None:
    refused(foreshot(command, bundle, table, *OUTPUTS[command], bundle / name), "is in a bundle's folder")
    assert foreshot("verify", bundle).exit_code == 0


@pytest.mark.parametrize("name", ["stdout", "fd/1", "null"])
def test_a_streams_name_is_not_replaced(foreshot: Foreshot, bundle: Path, table: Path, name: str) -> None:
    """Under a folder of our own, as root could replace the system's."""
    refused(foreshot("predict", bundle, table, "--out", f"/proc/self/{name}"), f"--out /proc/self/{name}")


def test_a_link_to_an_output_stays_one_and_a_mode_stays_what_it_is(
    foreshot: Foreshot, bundle: Path, table: Path, tmp_path: Path
) -> None:
    target, link = tmp_path / "elsewhere.csv", tmp_path / "out.csv"
    target.write_text("old\n")
    target.chmod(0o600)
    link.symlink_to(target)
    assert foreshot("predict", bundle, table, "--out", link).exit_code == 0
    assert link.is_symlink()
    assert target.read_text().startswith("text,label")
    assert target.stat().st_mode & 0o777 == 0o600


def test_hidden_files_of_the_users_own_are_left_alone(tmp_path: Path) -> None:
    """What looks like our leftovers and isn't: of another kind, or not of our names."""
    mine = [".out.csv.notes.tmp", ".out.csv.lastweek.tmp", ".out.csv.12x.tmp", ".out.csv.lastweek.old"]
    for name in mine:
        (tmp_path / name).write_text(PRECIOUS)
    (tmp_path / ".out.csv.work.tmp").mkdir()
    (tmp_path / ".out.csv.12345.tmp").write_text("left by a process that was killed")
    write_atomically(tmp_path / "out.csv", "new")
    with replacing_folder(tmp_path / "out.csv.d"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {*mine, ".out.csv.work.tmp", "out.csv", "out.csv.d"}


def test_what_was_put_into_a_bundles_folder_during_an_export_is_kept(
    foreshot: Foreshot, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graphs_exported_once: None
) -> None:
    from foreshot.exporting import export as exporting

    out, card = tmp_path / "exported", exporting.card
    command = ("export", run / "students/odd/seed-0", "--bits", "32", "--out", out)
    assert foreshot(*command).exit_code == 0

    def card_of(*told: Any) -> str:
        (out / "notes.txt").write_text(PRECIOUS)
        return card(*told)

    monkeypatch.setattr(exporting, "card", card_of)
    assert "holds notes.txt" in foreshot(*command).stderr.splitlines()[-1]
    assert (out / "notes.txt").read_text() == PRECIOUS
