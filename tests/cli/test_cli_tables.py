"""`--separator` and `--quoting` on every command that reads tables: asked for in one line, and used."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

AMBIGUOUS = """text;label,functionality;score,y
you absolute walnut;toxic,a;0.9,1
thank you;benign,a;0.1,2
"""
COMMANDS: dict[str, Callable[[Path, Path], list[object]]] = {
    "predict": lambda bundle, table: ["predict", bundle, table, "--text", "text"],
    "explain": lambda bundle, table: ["explain", bundle, table, "--text", "text", "--json"],
    "check": lambda bundle, table: ["check", bundle, "--suite", table],
    "migrate": lambda bundle, table: ["migrate", table, "--model", bundle, "--text", "text", "--score", "score,y"],
    "compare": lambda bundle, table: ["compare", "--data", table, "--encoder", "nothing/here", "--label", "score,y"],
    "export": lambda bundle, table: ["export", "nothing/here", "--out", table.parent / "out", "--rows", table],
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("tables") / "bundle")


@pytest.mark.parametrize(
    ("command", "then"),
    [
        ("predict", ""),
        ("explain", ""),
        ("check", "(columns: text, label,functionality, score,y)"),
        ("migrate", "line 2, column 'score,y': '0.9,1' is no number"),
        ("compare", "label '0.1,2' occurs once"),
    ],
)
def test_what_parts_fields_is_asked_about_and_used(foreshot, bundle, tmp_path, command, then):
    (tmp_path / "a.csv").write_text(AMBIGUOUS)
    asked = COMMANDS[command](bundle, tmp_path / "a.csv")
    done = foreshot(*asked)
    assert done.exit_code == 2
    assert "may be parted by comma or semicolon; name the right one with --separator" in done.stderr
    done = foreshot(*asked, "--separator", "semicolon")
    assert done.exit_code == (2 if then else 0), done.stderr
    assert then in done.stderr
    if command == "predict":
        assert done.stdout.startswith("text;label,functionality;score,y;label;")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("wrong", [("--separator", "commas"), ("--quoting", "excel")])
def test_what_is_none_is_refused_in_one_line_that_names_what_there_is(foreshot, bundle, tmp_path, command, wrong):
    (tmp_path / "a.csv").write_text(AMBIGUOUS)
    done = foreshot(*COMMANDS[command](bundle, tmp_path / "a.csv"), *wrong)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert wrong[0].strip("-") in line
    assert ("semicolon" if wrong[0] == "--separator" else "csv") in line


def test_a_stray_quote_is_told_with_its_line_and_what_to_do(foreshot, bundle, tmp_path):
    texts = ["a kind day"] * 12
    texts[2], texts[9] = f'"{texts[2]}', f'{texts[9]}"'
    (tmp_path / "a.csv").write_text("n,text,label\n" + "".join(f"{n},{t},{n % 2}\n" for n, t in enumerate(texts)))
    done = foreshot("predict", bundle, tmp_path / "a.csv")
    assert done.exit_code == 2
    assert "a.csv, line 4: a quote begins here that ends in line 11" in done.stderr
    assert "give --quoting none where quotes are letters" in done.stderr
    done = foreshot("predict", bundle, tmp_path / "a.csv", "--quoting", "none")
    assert [line.rsplit(",", 5)[0] for line in done.stdout.splitlines()[1:]] == [
        f"{n},{text},{n % 2}" for n, text in enumerate(texts)
    ]


def test_a_suite_of_semicolons_is_told(foreshot, bundle, tmp_path):
    (tmp_path / "suite.csv").write_text("text;label;functionality\nyou fool, you;toxic;a\nthank you;benign;b\n")
    done = foreshot("check", bundle, "--suite", tmp_path / "suite.csv")
    assert done.exit_code == 0, done.stderr
    assert "suite.csv: separator semicolon (found; --separator names another)" in " ".join(done.stdout.split())
