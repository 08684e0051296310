"""What of the standard streams is closed, full or of another encoding, in processes as a shell starts them."""

import os
import pty
import shlex
import subprocess
from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

from cli_runs import as_process, process_environment
from waiting import PATIENCE

ROWS = ["you are an absolute fööl,Zoë", "thank you …,日本"]
FULL = "foreshot: standard output: can't be written (No space left on device)"
CLOSED = "foreshot: standard output: is closed"
COMMANDS = [
    "predict bundle hello",
    "predict bundle rows.csv",
    "predict bundle rows.csv --bad-rows aside.jsonl",
    "explain bundle hello",
    "explain bundle hello --html page.html",
    "check bundle",
    "check bundle --json",
    "migrate stored.csv --model bundle",
    "migrate stored.csv --model bundle --json",
    "verify bundle",
    "new-key forum",
    "--help",
    "check --help",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, rows with letters beyond ASCII, and stored scores."""
    folder = tmp_path_factory.mktemp("streams")
    tiny_bundle(folder / "bundle")
    (folder / "rows.csv").write_text("\n".join(["text,who", *ROWS]) + "\n", encoding="utf-8")
    (folder / "stored.csv").write_text("text,score\nhello,0.1\nyou fool,0.9\nyou,0.3\n", encoding="utf-8")
    return folder


def in_shell(
    place: Path, command: str, redirections: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """`foreshot`, with its streams as a shell redirects them."""
    line = f"{shlex.join(as_process())} {command} {redirections}"
    environment = {**process_environment(), **environment}
    return subprocess.run(
        line, shell=True, cwd=place, env=environment, capture_output=True, timeout=PATIENCE, check=False
    )


@pytest.fixture(scope="module")
def expected(place: Path) -> bytes:
    """What `predict` writes where all streams are open."""
    return in_shell(place, "predict bundle rows.csv").stdout


def own_lines(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """What the command says about itself, besides progress and keys."""
    return [line for line in done.stderr.decode().splitlines() if line.startswith("foreshot: ")]


def check_one_line(done: subprocess.CompletedProcess[bytes], beginning: str) -> None:
    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    (line,) = own_lines(done)
    assert line.startswith(beginning)
    assert done.stderr.decode().splitlines()[-1] == line


# ---- full and closed ----


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_standard_output_is_one_line(place: Path, command: str) -> None:
    check_one_line(in_shell(place, command, ">/dev/full"), FULL)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_standard_output_is_one_line(place: Path, command: str) -> None:
    check_one_line(in_shell(place, command, ">&-"), CLOSED)


@pytest.mark.parametrize("command", ["predict bundle -", "explain bundle -", "predict bundle - --stream csv"])
def test_a_closed_standard_input_is_one_line_where_it_is_read(place: Path, command: str) -> None:
    check_one_line(in_shell(place, command, "<&-"), "foreshot: standard input: is closed")


@pytest.mark.parametrize("redirections", ["<&-", "2>&-", "2>/dev/full", "<&- 2>&-"])
def test_other_streams_that_are_closed_or_full_stop_nothing(
    place: Path, tmp_path: Path, expected: bytes, redirections: str
) -> None:
    done = in_shell(place, "predict bundle rows.csv", redirections)
    assert (done.returncode, done.stdout) == (0, expected)
    written = tmp_path / "out.csv"
    done = in_shell(place, f"predict bundle rows.csv --out {shlex.quote(str(written))}", redirections)
    assert (done.returncode, done.stdout) == (0, b"")
    assert written.read_bytes() == expected  # and nothing of what went to descriptor 2


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full", ">&- 2>&-"])
def test_an_error_that_nobody_can_hear_is_still_an_exit_code(place: Path, redirections: str) -> None:
    done = in_shell(place, "verify nowhere", redirections)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


def test_a_reader_that_has_had_enough_sees_no_traceback(place: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        as_process("check", "bundle"), cwd=place, env=process_environment(), stdout=writer, stderr=subprocess.PIPE,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    os.close(writer)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"foreshot: " not in done.stderr


# ---- encodings ----

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("environment", [ASCII, {"PYTHONIOENCODING": "latin-1"}], ids=["ASCII", "Latin-1"])
def test_rows_are_utf_8_whatever_the_locale(place: Path, environment: dict[str, str]) -> None:
    done = in_shell(place, "predict bundle rows.csv", **environment)
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.decode("utf-8").splitlines()
    assert header.startswith("text,who,")
    assert [row[: len(given)] for row, given in zip(rows, ROWS, strict=True)] == ROWS


@pytest.mark.parametrize("command", ["predict bundle", "explain bundle"])
def test_a_text_in_an_ascii_locale_is_no_traceback(place: Path, command: str) -> None:
    done = in_shell(place, f"{command} 'hi fööl'", **ASCII)
    assert done.returncode == 0, done.stderr
    assert b"hi f" in done.stdout


def test_a_terminal_gets_escapes_for_letters_that_it_lacks(place: Path) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        as_process("predict", "bundle", "rows.csv"), cwd=place, env={**process_environment(), **ASCII}, stdout=theirs,
        stderr=subprocess.PIPE, timeout=PATIENCE, check=False,
    )  # fmt: skip
    os.close(theirs)  # or one who has written nothing would be waited for
    assert done.returncode == 0, done.stderr
    shown = os.read(ours, 65536)
    os.close(ours)
    assert rb"you are an absolute f\xf6\xf6l,Zo\xeb" in shown
    assert rb"thank you \u2026,\u65e5\u672c" in shown
