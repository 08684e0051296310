"""Migrating from stored scores, with a bundle whose scores are worked out by hand."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats
from tiny_bundles import label_decisions, label_probabilities_of, probabilities_of, tiny_bundle

from foreshot.errors import BundleError, ConfigError, DataError
from foreshot.judging.shares import wilson
from foreshot.perspective import migrate as migrating
from foreshot.perspective.migrate import migrate, parse_thresholds
from foreshot.results.base import Estimate
from foreshot.results.behaviour import SuiteFacts, SuiteResult
from foreshot.results.decisions import Decision
from heard import Heard

ROWS = [
    ("you absolute walnut", 0.91),
    ("thank you", 0.02),
    ("you fool", 0.35),
    ("hello kind day", 0.60),
    ("idiot", 0.88),
    ("thank you kind idiot", 0.10),
]
NEW = [probabilities_of(text)[1] for text, _ in ROWS]  # 0.95 0.38 0.98 0.35 1.00 0.91 or so


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("migrating") / "bundle")


def write(path: Path, rows: list[tuple[str, float]] = ROWS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "comment", "TOXICITY"), *((n, *row) for n, row in enumerate(rows))])
    return path


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return write(tmp_path / "stored.csv")


# ---- what is found ----


def test_a_migration_by_hand(bundle: Path, stored: Path) -> None:
    found = migrate(stored, bundle, thresholds=[0.7, 0.5])
    assert (found.stored, found.bundle, found.file) == (str(stored), str(bundle), "model.onnx")
    assert (found.model, found.positive, found.decision.policy) == ("tiny", "toxic", "argmax")
    assert (found.text_column, found.score_column) == ("comment", "TOXICITY")
    assert (found.rows, found.skipped_rows, found.truncated) == (6, 0, 0)
    old = [score for _, score in ROWS]
    assert found.agreement.spearman.value == pytest.approx(stats.spearmanr(old, NEW).statistic)
    assert found.agreement.pearson.value == pytest.approx(stats.pearsonr(old, NEW).statistic, abs=1e-6)
    half, high = found.agreement.thresholds
    assert (half.threshold, high.threshold) == (0.5, 0.7)
    # From 0.7 up: rows 0 and 4 with stored scores; 0, 2, 4 and 5 with new ones. The two highest are rows 4 and 2.
    assert high.flagged == wilson(2, 6)
    assert high.same.flagged == wilson(4, 6)
    assert (high.same.newly_flagged, high.same.no_longer_flagged) == (wilson(2, 6), wilson(0, 6))
    assert high.kept.flagged == wilson(2, 6)
    assert (high.kept.newly_flagged, high.kept.no_longer_flagged) == (wilson(1, 6), wilson(1, 6))
    third, second = sorted(NEW)[-3:-1]
    assert third < high.kept_threshold.value < second
    assert high.own.threshold is None
    assert high.own.flagged == wilson(4, 6)  # what is likelier toxic than not
    assert len(found.announcements) == 2


def test_what_goes_to_review_is_flagged(tmp_path: Path, stored: Path) -> None:
    decision = Decision(policy="review:recall>=0.9,fpr<=0.1", threshold=0.99, review_threshold=0.37)
    found = migrate(stored, tiny_bundle(tmp_path / "bundle", decision=decision))
    own = found.agreement.thresholds[0].own
    assert own.threshold == 0.37
    assert own.flagged == wilson(sum(score >= 0.37 for score in NEW), 6) == wilson(5, 6)
    only = Decision(policy="recall>=0.9", threshold=0.96)
    own = migrate(stored, tiny_bundle(tmp_path / "other", decision=only)).agreement.thresholds[0].own
    assert (own.threshold, own.flagged) == (0.96, wilson(2, 6))


def test_the_suites_result_stands_beside_it(bundle: Path, tmp_path: Path, stored: Path) -> None:
    assert migrate(stored, bundle).suite_result is None
    share = Estimate(value=0.5, low=0.4, high=0.6)
    facts = SuiteFacts(name="builtin", cases=9, class_counts={"toxic": 9}, pairs=0, fingerprint="0" * 16)
    result = SuiteResult(
        model="tiny", accuracy=share, by_label={"toxic": share}, functionalities=[], groups=[], pairs_right=None
    )
    found = migrate(stored, tiny_bundle(tmp_path / "judged", suite=facts, suite_result=result))
    assert (found.suite, found.suite_result) == (facts, result)


@pytest.mark.parametrize("window", [1, 2, 1024])
def test_the_worst_disagreements_of_each_side(bundle: Path, stored: Path, monkeypatch: Any, window: int) -> None:
    monkeypatch.setattr(migrating, "WINDOW", window)
    found = migrate(stored, bundle, worst=2)
    differences = {text: new - old for (text, old), new in zip(ROWS, NEW, strict=True)}
    falling = sorted(differences, key=differences.__getitem__, reverse=True)
    assert [one.text for one in found.higher] == falling[:2] == ["thank you kind idiot", "you fool"]
    assert [one.text for one in found.lower] == falling[:-2:-1] == ["hello kind day"]  # all others are higher
    first = found.higher[0]
    assert (first.row, first.stored, first.new) == (7, 0.10, pytest.approx(NEW[5], abs=1e-6))


def test_a_text_that_came_often_is_shown_once(bundle: Path, tmp_path: Path) -> None:
    spam = [("fool", 0.1)] * 50 + [("fool", 0.0), ("you fool", 0.2), ("thank you", 0.01)]
    found = migrate(write(tmp_path / "spam.csv", spam), bundle, worst=3)
    assert [(one.text, one.stored) for one in found.higher] == [("fool", 0.0), ("you fool", 0.2), ("thank you", 0.01)]
    assert found.rows == 53
    assert migrate(write(tmp_path / "spam.csv", spam), bundle, worst=0).higher == []


def test_long_texts_and_bad_rows_are_counted(bundle: Path, stored: Path) -> None:
    with stored.open("a", encoding="utf-8") as file:
        file.write(f"7,{'hello ' * 20},0.5\n8,thank you,\n")
    with pytest.raises(DataError, match=r"line 9, column 'TOXICITY': no score"):
        migrate(stored, bundle)
    found = migrate(stored, bundle, skip_bad_rows=True)
    assert (found.rows, found.skipped_rows, found.truncated) == (7, 1, 1)


def test_answers_of_the_api_give_what_a_table_does(bundle: Path, stored: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    lines = [
        {"comment_text": text, "response": {"attributeScores": {"TOXICITY": {"summaryScore": {"value": score}}}}}
        for text, score in ROWS
    ]
    answers.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert migrate(answers, bundle).agreement == migrate(stored, bundle).agreement


def test_progress_counts_every_byte(bundle: Path, stored: Path) -> None:
    progress = Heard()
    migrate(stored, bundle, progress=progress)
    size = stored.stat().st_size
    assert progress.stages == [[f"scoring {stored}", size, size], ["intervals", 999, 999]]
    assert progress.ended == 2


# ---- all rows with both scores ----


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".out"])
def test_all_rows_are_written_with_both_scores(bundle: Path, stored: Path, suffix: str) -> None:
    out = stored.with_name(f"both{suffix}")
    migrate(stored, bundle, out=out)
    if suffix == ".parquet":
        rows = pq.read_table(out).to_pylist()
    elif suffix == ".jsonl":
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    else:
        with out.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t" if suffix == ".tsv" else ","))
    assert [(row["comment"], float(row["TOXICITY"])) for row in rows] == ROWS
    assert [float(row["score_toxic"]) for row in rows] == pytest.approx(NEW, abs=1e-6)
    assert list(rows[0])[:4] == ["id", "comment", "TOXICITY", "label"]


def test_answers_of_the_api_are_written_as_they_were(bundle: Path, tmp_path: Path) -> None:
    answers, out = tmp_path / "answers.jsonl", tmp_path / "both.jsonl"
    lines = [
        {"text": text, "attributeScores": {"TOXICITY": {"summaryScore": {"value": score}}}, "kept": [n]}
        for n, (text, score) in enumerate(ROWS)
    ]
    answers.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    migrate(answers, bundle, out=out)
    for line, asked in zip(out.read_text(encoding="utf-8").splitlines(), lines, strict=True):
        assert asked.items() <= json.loads(line).items()
    migrate(answers, bundle, out=tmp_path / "both.csv")
    with (tmp_path / "both.csv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    assert json.loads(first["attributeScores"]) == lines[0]["attributeScores"]


def test_rows_are_written_inert(bundle: Path, tmp_path: Path) -> None:
    rows = [{"text": "=1+1", "score": 0.5}, {"text": "hello", "score": 0.1}]
    answers, out = tmp_path / "stored.jsonl", tmp_path / "both.csv"
    answers.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    migrate(answers, bundle, out=out)
    assert out.read_text(encoding="utf-8").splitlines()[1].startswith("'=1+1,")


def test_nothing_is_written_where_a_row_is_bad(bundle: Path, stored: Path) -> None:
    before = {path.name for path in stored.parent.iterdir()}
    with stored.open("a", encoding="utf-8") as file:
        file.write("8,thank you,2\n")
    with pytest.raises(DataError, match="outside 0 to 1"):
        migrate(stored, bundle, out=stored.with_name("both.csv"))
    assert {path.name for path in stored.parent.iterdir()} == before


def test_a_file_that_cannot_be_written(bundle: Path, stored: Path) -> None:
    with pytest.raises(DataError, match="can't be written"):
        migrate(stored, bundle, out=stored / "both.csv")


# ---- what can't be used ----


@pytest.mark.parametrize("threshold", [-0.1, 1.1, 70, float("nan")])
def test_thresholds_are_shares(bundle: Path, stored: Path, threshold: float) -> None:
    with pytest.raises(ConfigError, match=r"thresholds .*: must be between 0 and 1"):
        migrate(stored, bundle, thresholds=[0.5, threshold])


def test_other_options_that_make_no_sense(bundle: Path, stored: Path) -> None:
    with pytest.raises(ConfigError, match="thresholds: give one or more"):
        migrate(stored, bundle, thresholds=[])
    with pytest.raises(ConfigError, match="worst -1"):
        migrate(stored, bundle, worst=-1)
    with pytest.raises(ConfigError, match="is the file that is read"):
        migrate(stored, bundle, out=stored)
    with pytest.raises(ConfigError, match="is a folder"):
        migrate(stored, bundle, out=stored.parent)


@pytest.mark.parametrize("name", ["-", "gone.csv"])
def test_a_stream_cannot_be_read_twice(bundle: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"^{name}: no such file; give a CSV"):
        migrate(name, bundle)


def test_a_folder_is_no_file(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no plain file"):
        migrate(tmp_path, bundle)


def test_a_bundle_needs_a_class_that_counts_as_toxic(tmp_path: Path, stored: Path) -> None:
    with pytest.raises(ConfigError, match=r"names no class that counts as toxic; export it again with positive"):
        migrate(stored, tiny_bundle(tmp_path / "bundle", positive=None))
    with pytest.raises(BundleError, match="no such folder"):
        migrate(stored, tmp_path / "gone")


def test_a_softmax_over_kinds_of_toxicity_is_told(tmp_path: Path, stored: Path) -> None:
    kinds = tiny_bundle(tmp_path / "kinds", labels=["insult", "toxic"])
    told = next(note for note in migrate(stored, kinds).announcements if "--problem-type multi-label" in note)
    assert told.startswith("tiny: a text is taken to have one of its labels (insult, toxic)")


def test_scores_that_run_against_each_other_are_told(bundle: Path, tmp_path: Path) -> None:
    of_benign = [(text, probabilities_of(text)[0]) for text, _ in ROWS]
    told = migrate(write(tmp_path / "benign.csv", of_benign), bundle).announcements
    assert "column 'TOXICITY' is high where P(toxic) is low: is it the right column (--score), and" in told[-1]


def test_thresholds_come_by_comma_or_repeated() -> None:
    assert parse_thresholds(None) == (0.5, 0.7, 0.9)
    assert parse_thresholds(["0.7, 0.8", "0.95"]) == (0.7, 0.8, 0.95)
    for wrong in (["high"], ["0.7,"], ["0,7 0"], [""]):
        with pytest.raises(ConfigError, match="must be numbers by comma"):
            parse_thresholds(wrong)


def test_equal_thresholds_are_one(bundle: Path, stored: Path) -> None:
    found = migrate(stored, bundle, thresholds=np.array([0.9, 0.5, 0.9]).tolist())
    assert [one.threshold for one in found.agreement.thresholds] == [0.5, 0.9]


# ---- several labels ----


@pytest.mark.parametrize(("label", "index", "least"), [(None, 0, 0.5), ("toxic", 0, 0.5), ("insult", 1, 0.9)])
def test_a_label_of_a_multi_label_bundle_is_compared(
    stored: Path, tmp_path: Path, label: str | None, index: int, least: float
) -> None:
    decisions = label_decisions("toxic", "insult", insult=Decision(policy="recall>=0.9", threshold=0.9))
    suite = SuiteFacts(name="builtin", cases=1, class_counts={}, pairs=0, fingerprint="0" * 16)
    share = Estimate(value=1, low=0, high=1)
    result = SuiteResult(model="m", accuracy=share, by_label={}, functionalities=[], groups=[], pairs_right=None)
    bundle = tiny_bundle(tmp_path / "several", decisions=decisions, suite=suite, suite_result=result)
    found = migrate(stored, bundle, label=label, out=tmp_path / "both.jsonl")
    new = [label_probabilities_of(text, decisions)[index] for text, _ in ROWS]
    old = [score for _, score in ROWS]
    assert (found.positive, found.decision) == list(decisions.by_label.items())[index]
    assert found.agreement.pearson.value == pytest.approx(stats.pearsonr(old, new).statistic, abs=1e-6)
    flagged = sum(score >= least for score in new)
    assert found.agreement.thresholds[0].own.flagged == wilson(flagged, 6)
    assert any("its others (insult) one at a time" in said for said in found.announcements) == (label is None)
    assert (found.suite, found.suite_result) == ((suite, result) if index == 0 else (None, None))
    lines = [json.loads(line) for line in (tmp_path / "both.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["score_insult"] for line in lines] == pytest.approx(
        [label_probabilities_of(text, decisions)[1] for text, _ in ROWS], abs=1e-6
    )


def test_a_label_that_is_not_there_or_of_a_model_of_classes_is_refused(
    bundle: Path, stored: Path, tmp_path: Path
) -> None:
    several = tiny_bundle(tmp_path / "several", decisions=label_decisions("toxic", "insult"))
    with pytest.raises(ConfigError, match=r"^label spam: is no label of .*; its labels are toxic, insult$"):
        migrate(stored, several, label="spam")
    with pytest.raises(ConfigError, match=r"^label benign: is for multi-label bundles; .* gives a text one class$"):
        migrate(stored, bundle, label="benign")
    assert migrate(stored, bundle, label="toxic").positive == "toxic"
