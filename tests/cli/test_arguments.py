"""What is typed wrongly is one line that says what was meant; what begins with a dash and is a text is a text."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_bundles import tiny_bundle

from cli_runs import as_process, process_environment
from foreshot.cli import COMMANDS

Foreshot = Callable[..., Any]
IS_TEXT = " (if it is a text: write -- before it)"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("arguments") / "bundle")


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        # options
        ("compare --epoch 3", "--epoch: no such option; did you mean --epochs?"),
        ("compare --epoch=3", "--epoch: no such option; did you mean --epochs?"),
        ("compare -epochs 3", "-epochs: no such option; did you mean --epochs?"),
        ("compare --max_length 9", "--max_length: no such option; did you mean --max-length?"),
        ("compare --xyzzy", "--xyzzy: no such option; foreshot compare --help lists them"),
        ("compare -e 3", "-e: no such option; foreshot compare --help lists them"),
        ("serve b --no-acces-log", "--no-acces-log: no such option; did you mean --no-access-log?"),
        ("predict b hello --fiel x", f"--fiel: no such option; did you mean --file?{IS_TEXT}"),
        ("explain b --xyzzy", f"--xyzzy: no such option; foreshot explain --help lists them{IS_TEXT}"),
        # their values
        ("compare --epochs three", "--epochs three: must be a whole number"),
        ("compare --epochs=", "--epochs : must be a whole number"),
        ("compare --learning-rate fast", "--learning-rate fast: must be a number"),
        ("explain b hello --steps 1.5", "--steps 1.5: must be a whole number"),
        ("predict b hello --threads 0", "--threads 0: must be at least 1"),
        ("serve b --port 99999", "--port 99999: must be at most 65535"),
        ("serve b --port -1", "--port -1: must be at least 0"),
        ("check m --fail-under 1.5", "--fail-under 1.5: must be at most 1"),
        ("check m --fail-under nan", "--fail-under nan: must be at most 1"),
        ("predict b hello --out", "--out: needs a value"),
        ("predict b hello --out --json", "--out: needs a value; if it is --json, write --out=--json"),
        ("predict b --label -- hello", f"--label: no such option; foreshot predict --help lists them{IS_TEXT}"),
        ("predict b --text -- hello", "--text: needs a value; if it is --, write --text=--"),
        ("predict b hello --json=yes", "--json: takes no value"),
        # arguments
        ("predict", "inputs: is missing; foreshot predict --help says what it is"),
        ("explain b", "inputs: is missing; foreshot explain --help says what it is"),
        ("new-key", "name: is missing; foreshot new-key --help says what it is"),
        ("export m", "--out: is missing; foreshot export --help says what it is"),
        ("verify a b", "b: is more than foreshot verify takes; put quotes around what belongs together"),
        ("compare a.yaml b c", "b: is more than foreshot compare takes; put quotes around what belongs together"),
        ("verify -- a -b", "-b: is more than foreshot verify takes; put quotes around what belongs together"),
        # commands
        ("comprae", "comprae: no such command; did you mean compare?"),
        ("xyzzy --epochs 3", "xyzzy: no such command; foreshot --help lists them"),
        ("--epochs 3 compare", "--epochs: is no command; options come after its name, but for --help"),
        ("-1", "-1: is no command; options come after its name, but for --help"),
        ("--version", "--version: is no command; options come after its name, but for --help"),
    ],
)  # fmt: skip
def test_what_is_typed_wrongly_is_one_line(foreshot: Foreshot, typed: str, line: str) -> None:
    done = foreshot(*typed.split())
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"foreshot: {line}\n")


@pytest.mark.parametrize("again", [["--text", "b"], ["--text=b"]])
def test_of_an_option_with_one_value_the_last_one_counts_as_in_other_programs(
    foreshot: Foreshot, bundle: Path, tmp_path: Path, again: list[str]
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\nhello,you fool\n")
    done = foreshot("predict", bundle, rows, "--text", "a", *again, "--out", tmp_path / "out.csv")
    assert done.exit_code == 0, done.stderr
    scored = (tmp_path / "out.csv").read_text()
    assert foreshot("predict", bundle, rows, "--text", "b", "--out", tmp_path / "b.csv").exit_code == 0
    assert scored == (tmp_path / "b.csv").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_an_option_that_it_has_not(foreshot: Foreshot, command: str) -> None:
    done = foreshot(command, "--xyzzy")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("foreshot: --xyzzy: no such option; foreshot ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "typed",
    [
        ["compare", "--epochs", "\x1b[2J\nx"],
        ["compare", "--epochs=\x1b]0;x\x07"],
        ["\x1b[2J\u202e"],
        ["-\x1b[2J"],
        ["verify", "a", "\x1b[2J"],
        ["verify", "a", "⟨text⟩"],
        ["predict", "b", "--out", "--json=\x1b[2J"],
        ["compare", "--set", "training.\x1b[2J=1", "--data", "x", "--encoder", "y"],
        ["x" * 100_000],
    ],
)
def test_no_terminal_obeys_what_was_typed(foreshot: Foreshot, typed: list[str]) -> None:
    done = foreshot(*typed)
    assert done.exit_code == 2
    assert done.stderr.endswith("\n")
    assert done.stderr[:-1].isprintable()
    assert "--text" not in done.stderr
    assert len(done.stderr) < 500


def test_a_process_of_its_own_says_it_however_wide_or_coloured_its_terminal_is(tmp_path: Path) -> None:
    environment = {**process_environment(), "COLUMNS": "20", "FORCE_COLOR": "1"}
    environment.pop("NO_COLOR")
    done = subprocess.run(
        as_process("compare", "--epoch", "3"), cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "foreshot: --epoch: no such option; did you mean --epochs?\n"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("typed", [[], ["--"]])
def test_help_is_shown_to_who_asks_for_nothing(foreshot: Foreshot, typed: list[str]) -> None:
    done = foreshot(*typed)
    assert (done.exit_code, done.stderr) == (2, "")
    assert "Make a big text classifier small" in done.stdout


@pytest.mark.parametrize("typed", [["--help"], ["--help", "--xyzzy"], ["verify", "--help"], ["verify", "a", "--help"]])
def test_help_that_is_asked_for_is_no_error(foreshot: Foreshot, typed: list[str]) -> None:
    done = foreshot(*typed)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "Usage: " in done.stdout


# ---- dashes ----

DASHED = ["- you fool", "-_- you fool", "-- you fool", "--you fool", "-1", "-5 %", "--- ", "—fool", "-:)", "-ü"]


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_a_text_may_begin_with_a_dash(foreshot: Foreshot, bundle: Path, command: str) -> None:
    done = foreshot(command, bundle, DASHED[0], "--json", *DASHED[1:5], "hello", *DASHED[5:])
    assert done.exit_code == 0, done.stderr
    texts = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    assert texts == [*DASHED[:5], "hello", *DASHED[5:]]


@pytest.mark.parametrize("text", ["--json", "-fool", "--you=fool", "--", "-"])
def test_a_text_of_an_options_shape_comes_behind_two_dashes(foreshot: Foreshot, bundle: Path, text: str) -> None:
    done = foreshot("predict", "--json", bundle, "-1", "--", "hello there", text)
    if text == "-":  # which is a stream wherever it stands
        assert (done.exit_code, done.stderr) == (2, "foreshot: -: give one file or stream at a time, or texts alone\n")
    else:
        assert done.exit_code == 0, done.stderr
        assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["-1", "hello there", text]


@pytest.mark.parametrize("written", [["--label", "-1"], ["--label=-1"], ["--label", "- x"], ["--label=--json"]])
def test_an_options_value_may_begin_with_a_dash(foreshot: Foreshot, bundle: Path, written: list[str]) -> None:
    done = foreshot("explain", bundle, "hello", *written)
    assert done.exit_code == 2
    value = written[-1].removeprefix("--label=")
    assert f"{value}" in done.stderr
    assert "benign" in done.stderr  # the bundle was asked, and says which labels it has
