"""Files of stored scores: their columns, named or guessed, and the rows that can't be used."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foreshot.data.reading.records import open_records
from foreshot.errors import DataError
from foreshot.perspective.stored_scores import StoredScores, look_through
from foreshot.settings.dialect import asked_dialect

ROWS = [("you absolute walnut", "0.91"), ("thank you", "0.02"), ("hello", "1"), ("kind day", "0")]


def csv(folder: Path, *rows: tuple[object, ...], header: str = "comment,TOXICITY") -> Path:
    path = folder / "stored.csv"
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


def jsonl(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "stored.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def look(path: Path, **options: Any) -> StoredScores:
    return look_through(path, **{"text": None, "score": None, "skip_bad_rows": False, **options})


def read(path: Path, **options: Any) -> list[tuple[str, float] | None]:
    stored = look(path, **options)
    with open_records(path) as records:
        return [None if row is None else (row.text, row.score) for row in stored.rows(records, records)]


def answer(value: Any) -> dict[str, Any]:
    """What the API answers, and the attributes that were asked for beside it."""
    spans = [{"begin": 0, "end": 5, "score": {"value": 0.5, "type": "PROBABILITY"}}]
    return {
        "attributeScores": {
            "SEVERE_TOXICITY": {"spanScores": spans, "summaryScore": {"value": 0.5, "type": "PROBABILITY"}},
            "TOXICITY": {"spanScores": spans, "summaryScore": {"value": value, "type": "PROBABILITY"}},
        },
        "languages": ["en"],
    }


# ---- columns ----


@pytest.mark.parametrize(
    "name",
    ["TOXICITY", "toxicity", "Score", "toxicity_score", "summaryScore", "attributeScores.TOXICITY.summaryScore.value"],
)
def test_the_score_column_is_guessed_and_announced(tmp_path, name):
    path = csv(tmp_path, *ROWS, header=f"comment,{name}")
    found = look(path)
    assert (found.text_column, found.score_column) == ("comment", name)
    assert found.announcements == [
        f"{path}: text column 'comment' (guessed; --text names another)",
        f"{path}: score column '{name}' (guessed; --score names another)",
    ]
    assert read(path) == [(text, float(score)) for text, score in ROWS]


def test_named_columns_are_not_announced(tmp_path):
    path = csv(tmp_path, *((*row, 0.5, 0.1) for row in ROWS), header="comment,TOXICITY,score,text")
    assert look(path, text="comment", score="TOXICITY").announcements == []


@pytest.mark.parametrize(
    ("header", "options", "words"),
    [
        ("comment,TOXICITY", {"score": "toxic"}, ["no column 'toxic'", "comment, TOXICITY"]),
        ("comment,TOXICITY", {"text": "body"}, ["no column 'body'"]),
        ("comment,TOXICITY", {"text": "TOXICITY", "score": "TOXICITY"}, ["both the text and the score"]),
        ("comment,SEVERE_TOXICITY", {}, ["no column has a name", "score", "comment, SEVERE_TOXICITY"]),
    ],
)
def test_a_column_that_is_missing_is_told(tmp_path, header, options, words):
    with pytest.raises(DataError) as refused:
        look(csv(tmp_path, *ROWS, header=header), **options)
    for word in words:
        assert word in str(refused.value)


def test_the_text_column_is_no_score(tmp_path):
    found = look(csv(tmp_path, *ROWS, header="score,TOXICITY"), text="score")
    assert (found.text_column, found.score_column) == ("score", "TOXICITY")


def test_of_two_columns_that_may_be_it_none_is_taken(tmp_path):
    path = csv(tmp_path, *((*row, 0.5) for row in ROWS), header="comment,TOXICITY,score")
    with pytest.raises(DataError, match=r"the score column may be TOXICITY, score; name it with score"):
        look(path)


# ---- answers of the API, as they came ----


@pytest.mark.parametrize("wrapped", [False, True])
def test_answers_of_the_api_are_read_as_they_are(tmp_path, wrapped):
    both = [(text, float(score)) for text, score in ROWS]
    rows = [{"text": text, **({"response": answer(score)} if wrapped else answer(score))} for text, score in both]
    path = jsonl(tmp_path, *rows)
    assert look(path).score_column == ("response." if wrapped else "") + "attributeScores.TOXICITY.summaryScore.value"
    assert read(path) == both
    other = [("response." if wrapped else "") + "attributeScores.SEVERE_TOXICITY.summaryScore.value"]
    with pytest.raises(DataError, match=r"every score .* is 0\.5"):
        look(path, score=other[0])


def test_the_answer_in_the_documentation_is_read(tmp_path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "migrating.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("{")]
    path = jsonl(tmp_path, json.loads(line), json.loads(line.replace("0.83", "0.5")))
    assert read(path) == [("you absolute walnut", 0.83), ("you absolute walnut", 0.5)]
    assert f"`{look(path).score_column}`" in page


def test_nested_texts_are_named(tmp_path):
    rows = [{"request": {"comment": {"text": text}}, "response": answer(float(score))} for text, score in ROWS]
    path = jsonl(tmp_path, *rows)
    with pytest.raises(DataError, match=r"request\.comment\.text"):
        look(path)
    assert read(path, text="request.comment.text") == [(text, float(score)) for text, score in ROWS]


def test_an_answer_without_the_attribute_has_no_score(tmp_path):
    path = jsonl(
        tmp_path, {"text": "a", **answer(0.1)}, {"text": "b", "error": {"code": 400}}, {"text": "c", **answer(0.2)}
    )
    with pytest.raises(DataError, match=r"line 2, column 'attributeScores\.TOXICITY\.summaryScore\.value': no score"):
        look(path)
    assert read(path, skip_bad_rows=True) == [("a", 0.1), None, ("c", 0.2)]


@pytest.mark.parametrize(("levels", "found"), [(7, True), (8, False), (150, False)])
def test_fields_are_looked_for_no_deeper_than_eight_levels(tmp_path, levels, found):
    def nested(score: float) -> dict[str, Any]:
        cell: Any = score
        for name in ("TOXICITY", *["value"] * (levels - 1)):
            cell = {name: cell}
        return {"text": "a", "response": cell}

    path = jsonl(tmp_path, nested(0.1), nested(0.2))
    if found:
        assert read(path) == [("a", 0.1), ("a", 0.2)]
    else:
        with pytest.raises(DataError, match="no column has a name"):
            look(path)


def test_parquet_has_numbers_of_every_kind_and_structs(tmp_path):
    path = tmp_path / "stored.parquet"
    texts = ["a", "b", "c"]
    for scores in ([0, 1, 0], [0.5, 0.25, 0.125], [Decimal("0.5"), Decimal("0.25"), Decimal("0.1")]):
        pq.write_table(pa.table({"text": texts, "score": scores}), path)
        assert read(path) == [(text, float(score)) for text, score in zip(texts, scores, strict=True)]
    pq.write_table(pa.table({"text": texts, "response": [answer(score) for score in (0.1, 0.2, 0.3)]}), path)
    assert read(path) == [("a", 0.1), ("b", 0.2), ("c", 0.3)]


# ---- rows that can't be used ----


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("", ["no score"]),
        ("  ", ["no score"]),
        ("n/a", ["'n/a' is no number"]),
        ('"0,7"', ["'0,7' is no number", "write a point"]),
        ("nan", ["'nan' is no number"]),
        ("0.1,0.2", ["has 3 fields where the header has 2"]),
    ],
)
def test_a_row_without_a_score_stops_it_or_is_left_out(tmp_path, cell, words):
    path = csv(tmp_path, *ROWS[:2], ("a new one", cell), *ROWS[2:])
    with pytest.raises(DataError) as refused:
        look(path)
    for word in (f"{path}, line 4", "skip_bad_rows", *words):
        assert word in str(refused.value)
    found = read(path, skip_bad_rows=True)
    assert found == [*((text, float(score)) for text, score in ROWS[:2]), None, ("hello", 1), ("kind day", 0)]
    assert look(path, skip_bad_rows=True).skipped_rows == 1


@pytest.mark.parametrize("score", [None, True, [0.5], "0.5 or so", float("nan")])
def test_other_cells_are_no_scores(tmp_path, score):
    path = jsonl(tmp_path, {"text": "a", "score": 0.1}, {"text": "b", "score": score}, {"text": "c", "score": 0.2})
    assert read(path, skip_bad_rows=True) == [("a", 0.1), None, ("c", 0.2)]


@pytest.mark.parametrize("cell", [-1, "-1", -1.0, "nan", "None", "N/A"])
def test_a_value_that_says_that_there_is_no_score_is_bad(tmp_path, cell):
    path = jsonl(tmp_path, {"text": "a", "score": 0.1}, {"text": "b", "score": cell}, {"text": "c", "score": 0.2})
    with pytest.raises(DataError, match=r"line 2, column 'score': .* leave such rows out with skip_bad_rows"):
        look(path)
    assert read(path, skip_bad_rows=True)[1] is None


def test_a_row_without_a_text_is_bad(tmp_path):
    path = jsonl(tmp_path, {"text": "a", "score": 0.1}, {"text": 3, "score": 0.3}, {"text": "c", "score": 0.2})
    with pytest.raises(DataError, match=r"line 2, column 'text': a value of type int instead of a text"):
        look(path)
    assert read(path, skip_bad_rows=True)[1] is None


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("37.5", "37.5 is outside 0 to 1; divide such scores by 100"),
        ("-0.1", "-0.1 is outside 0 to 1; name another column"),
        ("101", "101 is outside 0 to 1; name another column"),
        ("inf", "inf is outside 0 to 1; name another column"),
    ],
)
def test_another_scale_is_never_skipped(tmp_path, cell, words):
    path = csv(tmp_path, *ROWS, ("a new one", cell))
    for skip_bad_rows in (False, True):
        with pytest.raises(DataError) as refused:
            look(path, skip_bad_rows=skip_bad_rows)
        assert f"{path}, line 6, column 'TOXICITY': {words}" in str(refused.value)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "0 rows to compare; at least 2"),
        (ROWS[:1], "1 row to compare; at least 2"),
        ([ROWS[0], ("again", "0.910")], "every score in column 'TOXICITY' is 0.91"),
    ],
)
def test_too_little_to_compare(tmp_path, rows, words):
    with pytest.raises(DataError, match=words):
        look(csv(tmp_path, *rows))


def test_rows_that_are_left_out_are_told_where_nothing_is_left(tmp_path):
    with pytest.raises(DataError, match=r"1 row to compare \(2 bad rows were left out\)"):
        look(csv(tmp_path, ROWS[0], ("a", ""), ("b", "x")), skip_bad_rows=True)


@pytest.mark.parametrize("name", ["stored.csv", "stored.jsonl"])
def test_an_empty_file(tmp_path, name):
    (tmp_path / name).write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no rows"):
        look(tmp_path / name)


def test_a_file_of_nothing_but_bad_rows(tmp_path):
    (tmp_path / "stored.jsonl").write_text("{\n[\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 1: is not JSON"):
        look(tmp_path / "stored.jsonl")


def test_the_rows_after_the_first_are_checked_as_well(tmp_path):
    rows = [(f"text {number}", number % 2) for number in range(3000)]
    path = csv(tmp_path, *rows, ("the last", "x"))
    with pytest.raises(DataError, match="line 3002"):
        look(path)
    assert len(look(path, skip_bad_rows=True).head) == 1024


# ---- decimal commas ----


@pytest.mark.parametrize(("name", "sign"), [("stored.csv", ";"), ("stored.tsv", "\t"), ("stored.csv", "|")])
def test_scores_with_a_decimal_comma_where_commas_part_nothing(tmp_path, name, sign):
    rows = [("text", "score"), ("you fool, you", "0,91"), ("hi", "0"), ("day", "0.25"), ("no", " 1,0 ")]
    (tmp_path / name).write_text("".join(f"{text}{sign}{score}\n" for text, score in rows))
    expected = [("you fool, you", 0.91), ("hi", 0.0), ("day", 0.25), ("no", 1.0)]
    assert read(tmp_path / name) == expected
    assert ("separator" in look(tmp_path / name).announcements[0]) == (name == "stored.csv")


def test_a_separator_that_is_named(tmp_path):
    (tmp_path / "stored.csv").write_text("text;a,score\nfool;0,0.9\nhi;0,0.1\n")
    with pytest.raises(DataError, match="may be parted by comma or semicolon"):
        look(tmp_path / "stored.csv")
    found = look(tmp_path / "stored.csv", dialect=asked_dialect("comma", None), text="text;a")
    assert [record.cells["score"] for record in found.head] == ["0.9", "0.1"]


def test_a_percent_sign_counts(tmp_path: Path) -> None:
    path = tmp_path / "stored.csv"
    path.write_text("comment,score\na,1%\nb,83 %\nc,0.5\n", encoding="utf-8")
    found = look(path, text="comment", score="score")
    with open_records(path) as records:
        assert [row.score for row in found.rows(records, records) if row] == pytest.approx([0.01, 0.83, 0.5])
