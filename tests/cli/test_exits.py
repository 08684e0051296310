"""Whatever the system refuses is one line and exit code 2: 1 is the failed gate of `check`."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from tiny_bundles import tiny_bundle

import foreshot
from cli_runs import run_process
from foreshot.cli import app
from foreshot.cli.exits import errors_as_one_line, option
from foreshot.data.texts import excerpt
from foreshot.errors import SETTING, ConfigError

LONG = "a" * 300  # a file's name has at most 255 bytes


def check_one_line(done: Any, *words: str) -> None:
    code = done.returncode if hasattr(done, "returncode") else done.exit_code
    assert code == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("foreshot: "))
    assert done.stderr.splitlines()[-1] == line
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    "command",
    [
        "predict LONG rows.csv",
        "verify LONG",
        "check LONG",
        "explain LONG hi",
        "serve LONG",
        "export LONG --out bundle",
        "export bundle --out LONG",
        "compare LONG",
        "compare --data LONG --encoder ENCODER",
        "compare --data rows.csv --encoder ENCODER --runs LONG",
        "compare --data rows.csv --encoder LONG",
        "migrate LONG --model BUNDLE",
        "migrate rows.csv --score label --model LONG",
        "predict BUNDLE rows.csv --out LONG.csv",
        "explain BUNDLE hi --html LONG.html",
    ],
)
def test_a_name_that_is_too_long_is_one_line(
    foreshot: Callable[..., Any], encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *(f"row {n},{n % 2}" for n in range(40))]) + "\n")
    bundle = tiny_bundle(tmp_path / "tiny")
    command = command.replace("LONG", LONG).replace("BUNDLE", str(bundle)).replace("ENCODER", str(encoder))
    done = foreshot(*command.split())
    check_one_line(done, "aaa")
    assert len(done.stderr.splitlines()[-1]) < 500


@pytest.mark.parametrize("name", ["results.json", "environment.json", "teacher/decision.json", "teacher/metrics.json"])
def test_a_folder_in_a_files_place_is_one_line(foreshot: Callable[..., Any], run: Path, name: str) -> None:
    (run / name).unlink()
    (run / name).mkdir()
    check_one_line(foreshot("compare", run), Path(name).name)


def test_a_folder_in_the_place_of_scores_is_one_line(foreshot: Callable[..., Any], run: Path) -> None:
    for file in (run / "teacher" / "scores").glob("*.safetensors"):
        file.unlink()
        file.mkdir()
    check_one_line(foreshot("compare", run), ".safetensors")


def test_no_place_for_temporary_files_is_one_line(
    foreshot: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile._get_default_tempdir", _no_temporary_folder)
    monkeypatch.setattr("tempfile.tempdir", None)
    done = foreshot("serve", tiny_bundle(tmp_path / "bundle"), "--port", "0", "--workers", "2")
    check_one_line(done, "No usable temporary directory", "TMPDIR")


def _no_temporary_folder() -> str:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.EIO, os.strerror(errno.EIO), "a.csv"), "a.csv: Input/output error; see to it and start again"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error; see to it and start again"),
        (OSError("of a\nlibrary"), "of a library; see to it and start again"),
        (OSError(errno.ENOTDIR, "Not a directory", b"a\xff"), r"a\udcff: Not a directory; see to it and start again"),
        (
            OSError(errno.ENOSPC, "No space left on device", "run"),
            "run: No space left on device; what is finished is kept; make room and start again",
        ),
    ],
)
def test_the_line_says_what_and_where(error: OSError, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, errors_as_one_line():
        raise error
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"foreshot: {line}\n"


def test_a_process_says_it_too(tmp_path: Path) -> None:
    check_one_line(run_process("verify", LONG, cwd=tmp_path), "File name too long")


def test_a_setting_is_called_what_its_reader_calls_it(capsys: pytest.CaptureFixture[str]) -> None:
    """In Python by its name, on the command line by its option; a text of the user's is left as it is."""
    error = ConfigError(f"give ⟨max_train_rows⟩ or ⟨suite_labels⟩, not '{excerpt('⟨text⟩')}'")
    assert str(error) == "give max_train_rows or suite_labels, not '‹text›'"
    with pytest.raises(SystemExit), errors_as_one_line():
        raise error
    assert capsys.readouterr().err == "foreshot: give --max-train-rows or --suite-label, not '‹text›'\n"


def test_every_setting_that_an_error_names_is_an_option() -> None:
    root = Path(foreshot.__file__).parent
    named = {
        option(name)
        for path in root.rglob("*.py")
        if path.name != "errors.py"
        for name in SETTING.findall(path.read_text(encoding="utf-8"))
    }
    commands = typer.main.get_command(app).commands.values()
    options = {name for command in commands for one in command.params for name in one.opts}
    assert len(named) > 25
    assert named <= options


@pytest.mark.parametrize("fault", [RuntimeError, EOFError, KeyError, RecursionError, AssertionError])
def test_a_fault_of_ours_leaves_with_70_and_its_traceback(
    foreshot: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    """Never with 1, by which `check` says that a share is too low; and no terminal obeys what the fault says."""

    def fail(*_: object, **__: object) -> None:
        raise fault("of the tests\x1b[2J")

    monkeypatch.setattr("foreshot.checking.check.check", fail)
    done = foreshot("check", tmp_path, "--fail-under", "0.5")
    assert done.exit_code == 70
    lines = done.stderr.strip().splitlines()
    assert lines[0].startswith("Traceback")
    assert any(line.startswith(fault.__name__) and "of the tests" in line for line in lines)
    assert lines[-1].startswith("foreshot: a fault of Foreshot's own;")
    assert "\x1b" not in done.stderr
    assert done.stdout == ""
