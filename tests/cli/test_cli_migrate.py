"""`foreshot migrate` on the command line: what it says, in words and as JSON, how it refuses, and the base install."""

import json
import subprocess
from pathlib import Path

import pytest
from tiny_bundles import probabilities_of, tiny_bundle

from base_install import BaseInstall
from foreshot.perspective.migrate import Migration, migrate
from foreshot.results.base import Estimate
from foreshot.results.behaviour import SuiteFacts, SuiteResult

ROWS = [
    ("you absolute walnut", 0.91),
    ("thank you", 0.02),
    ("you fool", 0.35),
    ("hello kind day", 0.60),
    ("idiot", 0.88),
    ("thank you kind idiot", 0.10),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("cli-migrate") / "bundle")


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return write(tmp_path / "stored.csv", ROWS)


def write(path: Path, rows: list[tuple[str, float]]) -> Path:
    path.write_text("comment,TOXICITY\n" + "".join(f'"{text}",{score}\n' for text, score in rows), encoding="utf-8")
    return path


def flat(text: str) -> str:
    """The text without its line ends, wherever the terminal had to break it."""
    return " ".join(text.split())


# ---- what it says ----


def test_it_says_in_words_what_to_do(foreshot, bundle, stored):
    done = foreshot("migrate", stored, "--model", bundle, "--threshold", "0.7,0.95")
    assert done.exit_code == 0, done.stderr
    said = flat(done.stdout)
    found = migrate(stored, bundle, thresholds=[0.7]).agreement
    assert f"Spearman {found.spearman.value:.2f} ({found.spearman.low:.2f} to " in said
    assert f", on 6 comments of {stored}." in said
    # The two highest of ours are "idiot" and "you fool", so "you absolute walnut" makes room for the latter.
    number = found.thresholds[0].kept_threshold.value
    second, third = probabilities_of("you fool")[1], probabilities_of("you absolute walnut")[1]
    assert third < number < second
    assert f"At Perspective's 0.7 your team flagged 33.3% of them; flag at {number} (" in said
    assert (
        "with tiny to keep that: of 1,000 comments 167 would then be flagged that were not, and 167 no longer." in said
    )
    assert "At Perspective's 0.95 your team flagged none of them: there is no rate to keep." in said
    assert "tiny scores higher" in said
    assert "tiny scores lower" in said
    assert "text column 'comment' (guessed" in said


def test_its_table_has_every_way_to_flag(foreshot, bundle, stored):
    lines = foreshot("migrate", stored, "--model", bundle, "--threshold", "0.7").stdout.splitlines()
    (what,) = [line for line in lines if "(what was flagged)" in line]
    assert what.split() == ["0.7", "(what", "was", "flagged)", "33.3%"]
    (same,) = [line for line in lines if "the same number, 0.7" in line]
    # Flagged: 0 and 4 before, 0, 2, 4 and 5 after; kappa (2/3 − 4/9) / (1 − 4/9)
    assert same.split()[-5:] == ["66.7%", "66.7%", "0.40", "333", "0"]
    (own,) = [line for line in lines if "its own decision, the likeliest class" in line]
    assert own.split()[-5:] == same.split()[-5:]
    (kept,) = [line for line in lines if "the same rate, " in line]
    assert kept.split()[-5:] == ["33.3%", "66.7%", "0.25", "167", "167"]


def test_a_rate_that_ties_do_not_allow_is_told(foreshot, bundle, tmp_path):
    rows = [("fool", 0.1), ("idiot", 0.2), ("walnut", 0.9), ("hello", 0.3), ("thank you", 0.0)]
    done = foreshot("migrate", write(tmp_path / "ties.csv", rows), "--model", bundle, "--threshold", "0.5")
    said = flat(done.stdout)
    assert "flagged 20.0% of them; no threshold of tiny keeps that, since it gives many comments equal scores" in said
    assert "which flags 60.0%: of 1,000 comments 400 would then be flagged that were not, and 0 no longer." in said


def test_a_model_that_says_one_thing_is_told(foreshot, bundle, tmp_path):
    done = foreshot("migrate", write(tmp_path / "same.csv", [("fool", 0.1), ("idiot", 0.9)]), "--model", bundle)
    assert done.exit_code == 0, done.stderr
    assert "No correlation: tiny gives every one of them the same score" in flat(done.stdout)
    assert "nan" not in done.stdout


def test_behaviour_stands_beside_the_numbers(foreshot, bundle, stored, tmp_path):
    said = flat(foreshot("migrate", stored, "--model", bundle).stdout)
    assert "Agreement with Perspective is not being right" in said
    assert f"its bundle has no suite's result; look with: foreshot check {bundle}" in said
    low, high = (Estimate(value=value, low=value - 0.02, high=value + 0.02) for value in (0.55, 0.8))
    facts = SuiteFacts(name="builtin", cases=2150, class_counts={}, pairs=0, fingerprint="0" * 16)
    sides = {"toxic": low, "benign": high}
    result = SuiteResult(
        model="tiny", accuracy=high, by_label=sides, functionalities=[], groups=[], pairs_right=None
    )  # fmt: skip
    judged = tiny_bundle(tmp_path / "judged", suite=facts, suite_result=result)
    said = flat(foreshot("migrate", stored, "--model", judged).stdout)
    assert (
        "On the suite builtin (2,150 cases) tiny gets 80% (78% to 82%) right: toxic 55% (53% to 57%), "
        "benign 80% (78% to 82%)." in said
    )


def test_bad_rows_and_long_texts_are_counted(foreshot, bundle, stored):
    with stored.open("a", encoding="utf-8") as file:
        file.write(f"{'hello ' * 20},0.5\nthank you,\n")
    done = foreshot("migrate", stored, "--model", bundle, "--skip-bad-rows")
    assert "1 rows without text or score were left out" in done.stdout
    assert "1 texts are longer than tiny reads" in done.stdout


def test_a_hostile_text_does_nothing_to_the_terminal(foreshot, bundle, tmp_path):
    rows = [("fool \x1b[31m [bold]\u202e \x07 " + "x" * 5000, 0.0), ("hello", 0.9)]
    path = write(tmp_path / "hostile.csv", rows)
    done = foreshot("migrate", path, "--model", bundle)
    assert done.exit_code == 0, done.stderr
    assert not {"\x1b", "\u202e", "\x07"} & set(done.stdout)
    assert "[bold]" in done.stdout
    assert done.stdout.count("x" * 50) < 10
    told = foreshot("migrate", path, "--model", bundle, "--json").stdout
    assert told.isascii()
    assert not {"\x1b", "\x07"} & set(told)


def test_json_has_all_of_it(foreshot, bundle, stored):
    done = foreshot(
        "migrate", stored, "--model", bundle, "--json", "--worst", 1, "--threshold", 0.7, "--threshold", 0.5
    )
    assert done.exit_code == 0, done.stderr
    found = Migration.model_validate(json.loads(done.stdout))
    assert found == migrate(stored, bundle, worst=1, thresholds=[0.5, 0.7])


def test_texts_stay_away_where_none_are_asked_for(foreshot, bundle, stored):
    done = foreshot("migrate", stored, "--model", bundle, "--worst", 0)
    assert done.exit_code == 0, done.stderr
    assert not any(text in done.stdout + done.stderr for text, _ in ROWS)


# ---- what it refuses ----


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--score", "toxic"], ["stored.csv", "no column 'toxic'", "comment, TOXICITY"]),
        (["--text", "body"], ["stored.csv", "no column 'body'"]),
        (["--threshold", "70"], ["--threshold 70", "between 0 and 1"]),
        (["--threshold", "high"], ["--threshold high", "numbers by comma"]),
        (["--out", "."], ["--out .", "is a folder"]),
    ],
)
def test_bad_options_are_one_line(foreshot, bundle, stored, arguments, words):
    done = foreshot("migrate", stored, "--model", bundle, *arguments)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["has no rows"]),
        ("comment,TOXICITY\nfine,91\nfool,12\n", ["line 2, column 'TOXICITY': 91 is outside 0 to 1", "by 100"]),
        ("comment,TOXICITY\nfine,x\n", ["line 2, column 'TOXICITY': 'x' is no number", "--skip-bad-rows"]),
        ("comment,TOXICITY\nfine,0.1\nfool,0.1\n", ["every score in column 'TOXICITY' is 0.1"]),
        ("comment,TOXICITY\nfine,0.1\n", ["1 row to compare; at least 2 are needed"]),
    ],
)
def test_bad_files_are_one_line(foreshot, bundle, tmp_path, content, words):
    path = tmp_path / "bad.csv"
    path.write_text(content, encoding="utf-8")
    done = foreshot("migrate", path, "--model", bundle, "--out", tmp_path / "both.csv")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1, done.stderr
    for word in (str(path), *words):
        assert word in done.stderr
    assert not (tmp_path / "both.csv").exists()


def test_a_folder_that_is_no_bundle_is_one_line(foreshot, stored, tmp_path):
    done = foreshot("migrate", stored, "--model", tmp_path)
    assert done.exit_code == 2
    assert "is not a bundle" in done.stderr
    assert done.stderr.count("\n") == 1


# ---- the base install ----


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseInstall:
    return BaseInstall(tmp_path_factory.mktemp("base") / "venv")


def base_run(base: BaseInstall, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = base.foreshot("migrate", *arguments)
    assert done.returncode == 0, done.stderr
    return done


def test_the_base_install_is_enough(base, bundle, stored, tmp_path):
    out = tmp_path / "both.parquet"
    told = json.loads(base_run(base, stored, "--model", bundle, "--json", "--out", out).stdout)
    assert Migration.model_validate(told) == migrate(stored, bundle)
    assert out.exists()
    assert "Spearman" in base_run(base, stored, "--model", bundle).stdout
