"""Stored scores are found in columns and in the API's answers, and read as what they say, or refused with their row."""

import json
import math
from pathlib import Path

import pytest

from foreshot.data.reading.files import open_sheet
from foreshot.data.scores import score_column, why_not_a_score
from foreshot.data.split import Split, split_tables
from foreshot.data.table import Table, read_table
from foreshot.errors import DataError
from foreshot.settings.scores import output_name

ANSWER = {"attributeScores": {"TOXICITY": {"summaryScore": {"value": 0.83, "type": "PROBABILITY"}}}}
PATH = "attributeScores.TOXICITY.summaryScore.value"


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def scores_of(path: Path, *names: str, **given: object) -> list[tuple[float, ...]]:
    read = read_table(path, scores=names, **given)  # type: ignore[arg-type]
    assert read.scores is not None
    assert not read.labelled
    return read.scores


@pytest.mark.parametrize(
    "name", ["TOXICITY", "toxicity", PATH, "attributeScores.TOXICITY", "attributeScores.TOXICITY.summaryScore"]
)
def test_an_answer_of_the_api_is_read_whatever_part_of_it_is_named(tmp_path: Path, name: str) -> None:
    rows = [{"comment": "fine", **ANSWER}, {"comment": "rude", **ANSWER}]
    path = written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert scores_of(path, name, text="comment") == [(0.83,), (0.83,)]


def test_an_answer_that_a_cell_spells_as_json(tmp_path: Path) -> None:
    cell = json.dumps(ANSWER).replace('"', '""')
    path = written(tmp_path, "a.csv", f'comment,response\nfine,"{cell}"\nrude,"{cell}"\n')
    assert scores_of(path, "TOXICITY") == [(0.83,), (0.83,)]


def test_a_way_into_an_answer_is_called_by_its_attribute() -> None:
    assert output_name(PATH) == "TOXICITY"
    assert output_name("score") == "score"


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["0.2", " 0.9 ", "1", "0"], [0.2, 0.9, 1.0, 0.0]),
        (["20 %", "90%", "100%", "0%"], [0.2, 0.9, 1.0, 0.0]),
        (["20", "90.5", "100", "0"], [0.2, 0.905, 1.0, 0.0]),
        (["1e-3", "5E-1", "0.7", "0.1"], [0.001, 0.5, 0.7, 0.1]),
    ],
)
def test_numbers_and_percentages(tmp_path: Path, cells: list[str], read: list[float]) -> None:
    path = written(tmp_path, "a.csv", "text,score\n" + "".join(f"text {cell},{cell}\n" for cell in cells))
    assert [first for (first,) in scores_of(path, "score")] == pytest.approx(read)


def test_percentages_are_announced_and_one_number_above_1_is_a_slip(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,score\na,20\nb,90\n")
    assert any("percentages" in said for said in read_table(path, scores=["score"]).announcements)
    slip = written(tmp_path, "b.csv", "text,score\na,0.2\nb,1.2\nc,0.4\n")
    with pytest.raises(DataError, match=r"b\.csv, line 3, column 'score': 1\.2 is outside 0 to 1 \(bad rows: 1\)"):
        scores_of(slip, "score")


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("high", "'high' is no number"),
        ("NaN", "'NaN' is no number"),
        ("-1", "usually says that there is no score"),
        ("-0.2", "outside 0 to 1"),
        ("", "no score"),
        ("1,2", "'1,2' is no number (write a point, as in 0.7)"),
    ],
)
def test_what_is_no_score_is_refused_with_its_row_or_left_out(tmp_path: Path, cell: str, complaint: str) -> None:
    path = written(tmp_path, "a.csv", f'text,score\na,0.2\nb,"{cell}"\nc,0.7\n')
    with pytest.raises(DataError) as refused:
        scores_of(path, "score")
    assert "a.csv, line 3, column 'score'" in str(refused.value)
    assert complaint in str(refused.value)
    assert scores_of(path, "score", skip_bad_rows=True) == [(0.2,), (0.7,)]


def test_percentages_are_on_one_scale_in_a_table_and_one_beyond_100_is_a_slip(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,rude,threat\na,20,0.9\nb,90,0.5\nc,70,1\n")
    assert scores_of(path, "rude", "threat")[0] == pytest.approx((0.2, 0.009))
    slip = written(tmp_path, "b.csv", "text,rude\na,20\nb,150\nc,70\n")
    with pytest.raises(DataError, match=r"line 3, column 'rude': 150 is outside 0 to 100"):
        scores_of(slip, "rude")
    assert scores_of(slip, "rude", skip_bad_rows=True) == [(0.2,), (0.7,)]


def test_scores_that_begin_far_below_the_head_are_found(tmp_path: Path) -> None:
    rows = [{"text": f"text {number}", "answer": {} if number < 2000 else ANSWER} for number in range(2010)]
    path = written(tmp_path, "late.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert len(scores_of(path, "TOXICITY", skip_bad_rows=True)) == 10


def test_beside_labels_a_bad_score_stops_or_is_left_out_alone(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,label,score\na,toxic,high\nb,benign,0.1\n")
    with pytest.raises(DataError, match=r"line 2, column 'score': 'high' is no number"):
        read_table(path, label="label", scores=["score"])
    read = read_table(path, label="label", scores=["score"], skip_bad_rows=True)
    assert read.labels == ["toxic", "benign"]
    assert read.scores is not None
    assert math.isnan(read.scores[0][0])


def test_a_gap_is_one_where_another_score_is_known(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,rude,threat\na,0.2,\nb,,0.9\nc,0.7,0.1\n")
    (_, gap), (other_gap, _), whole = scores_of(path, "rude", "threat")
    assert math.isnan(gap)
    assert math.isnan(other_gap)
    assert whole == (0.7, 0.1)
    assert read_table(path, scores=["rude", "threat"]).labels == [0, -1, 1]


def test_only_0_and_1_are_said_to_look_like_labels(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,toxic\na,0\nb,1\n")
    assert any("--label" in said for said in read_table(path, scores=["toxic"]).announcements)


def test_a_name_that_stands_for_nothing_or_for_several(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", json.dumps({"text": "a", "one": ANSWER, "two": ANSWER}) + "\n")
    sheet = open_sheet(path)
    with pytest.raises(DataError, match="may be one"):
        score_column(sheet, "TOXICITY")
    with pytest.raises(DataError, match="has no column or field 'INSULT'"):
        score_column(sheet, "INSULT")


def test_scores_beside_labels_are_kept_and_may_be_missing(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,label,score\na,toxic,0.9\nb,benign,\n")
    read = read_table(path, label="label", scores=["score", "other"])
    assert read.labelled
    assert read.labels == ["toxic", "benign"]
    assert read.scores is not None
    assert read.scores[0][0] == 0.9
    assert all(map(math.isnan, (read.scores[0][1], *read.scores[1])))


# ---- the split ----


def table_of(scores: list[tuple[float, ...]], texts: list[str] | None = None, threshold: float = 0.5) -> Table:
    return Table(
        source="stored.csv",
        texts=texts or [f"text {index}" for index in range(len(scores))],
        labels=[-1 if math.isnan(first) else int(first >= threshold) for first, *_ in scores],
        rows=list(range(2, 2 + len(scores))),
        text_column="text",
        label_column="TOXICITY",
        skipped_rows=0,
        announcements=(),
        score_names=("TOXICITY", "INSULT"),
        scores=scores,
        labelled=False,
    )


def split_of(data: Table, **given: object) -> Split:
    settings = {"validation": None, "test": None, "validation_fraction": 0.2, "test_fraction": 0.2, "seed": 0}
    return split_tables(data, positive=None, max_train_rows=None, **{**settings, **given})  # type: ignore[arg-type]


def test_rows_without_the_first_score_teach_and_judge_nothing() -> None:
    scores = [(index / 40, index / 80) for index in range(40)] + [(math.nan, 0.25)] * 10
    split = split_of(table_of(scores))
    assert [len(split.parts[name]) for name in ("train", "validation", "test")] == [34, 8, 8]
    assert split.output_names == ("TOXICITY", "INSULT")
    assert split.classes.names == ("not TOXICITY", "TOXICITY")
    assert split.parts["train"].labels.count(-1) == 10
    assert all(label >= 0 for name in ("validation", "test") for label in split.parts[name].labels)


def test_the_second_score_of_a_text_is_its_repeat() -> None:
    scores = [(index / 40, index / 80) for index in range(40)]
    texts = [f"text {index}" for index in range(40)]
    texts[1], texts[39] = texts[0], "TEXT 38"  # 38 and 39 are the same text, folded
    split = split_of(table_of(scores, texts))
    repeats = {part.texts[index]: scores for part in split.parts.values() for index, scores in part.repeats.items()}
    assert repeats == {"text 0": (1 / 40, 1 / 80), "text 38": (39 / 40, 39 / 80)}
    assert split.label_conflicts == 0
    assert sum(split.duplicates_removed.values()) == 2


def test_a_text_with_a_row_for_each_of_its_scores_has_them_all() -> None:
    texts = [f"text {index // 2}" for index in range(80)]
    scores = [(math.nan, row / 80) if row % 2 == 0 else (row / 80, math.nan) for row in range(80)]
    split = split_of(table_of(scores, texts))
    assert sum(map(len, split.parts.values())) == 40
    assert not any(
        math.isnan(score) for part in split.parts.values() for of_row in part.scores or () for score in of_row
    )
    assert not any(part.repeats for part in split.parts.values())
    assert split.parts["train"].labels.count(-1) == 0


def test_a_threshold_that_parts_nothing_is_refused() -> None:
    scores = [(index / 100, index / 80) for index in range(40)]
    with pytest.raises(DataError, match=r"0 rows of 40 reach the threshold of TOXICITY; 3 are needed"):
        split_of(table_of(scores))
    assert split_of(table_of(scores, threshold=0.2)).parts["test"].labels.count(1) > 0


def test_a_score_that_no_training_row_has_is_refused() -> None:
    with pytest.raises(DataError, match="no training row has a score for INSULT"):
        split_of(table_of([(index / 40, math.nan) for index in range(40)]))


def test_complaints_know_the_scale() -> None:
    assert why_not_a_score("100%", 1.0) is None
    assert why_not_a_score(100, 100.0) is None
    assert "outside 0 to 100" in str(why_not_a_score(101, 100.0))
    assert "no number" in str(why_not_a_score(True, 1.0))
