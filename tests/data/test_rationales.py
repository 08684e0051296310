import json
from pathlib import Path

import pytest

from foreshot.data.rationales import Rationales, read_rationales
from foreshot.errors import DataError


def write(path: Path, lines: list[object]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def marked(found: Rationales, index: int = 0) -> str:
    """The marked letters of a text, the others as dots."""
    letters = zip(found.texts[index], found.marks[index], strict=True)
    return "".join(letter if mark else "." for letter, mark in letters)


def test_offsets_count_code_points_of_the_text_as_written(tmp_path: Path) -> None:
    text = "🙂 e\u0301h you fool"
    at = text.index("fool")
    source = write(tmp_path / "spans.jsonl", [{"text": text, "spans": [at, at + 1, at + 2, at + 3]}])
    found = read_rationales(source, text=None, known=[])
    assert found.texts == ["🙂 éh you fool"]
    assert marked(found) == ".........fool"


def test_marks_stay_where_they_are_when_entities_are_decoded(tmp_path: Path) -> None:
    text = "&lt;b&gt; &amp; fool"
    spans = [*range(0, 4), *range(len(text) - 4, len(text))]
    found = read_rationales(write(tmp_path / "a.jsonl", [{"comment": text, "spans": spans}]), text="comment", known=[])
    assert found.texts == ["<b> & fool"]
    assert marked(found) == "<.....fool"


def test_a_csv_holds_its_lists_as_json(tmp_path: Path) -> None:
    path = tmp_path / "spans.csv"
    path.write_text('spans,text\n"[4, 5]","a b cd, e"\n[],nobody marked this\n', encoding="utf-8")
    found = read_rationales(str(path), text=None, known=[])
    assert marked(found) == "....cd..."
    assert found.left_out == {"nothing marked": 1}


def test_tokens_are_joined_by_spaces_which_nobody_marked(tmp_path: Path) -> None:
    row = {"tokens": ["you", "utter", "fool", "!"], "rationale": [0, 1, 1, 0]}
    found = read_rationales(write(tmp_path / "tokens.jsonl", [row]), text=None, known=[])
    assert found.texts == ["you utter fool !"]
    assert marked(found) == "....utter.fool.."


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    lines = [
        {"text": "you fool", "spans": [4, 5, 6, 7]},
        {"text": "You  FOOL", "spans": [5]},
        {"text": "seen in training", "spans": [0]},
        {"text": "", "spans": []},
        {"text": "kind words", "spans": []},
    ]
    found = read_rationales(write(tmp_path / "a.jsonl", lines), text=None, known=["Seen in  training"])
    assert found.texts == ["you fool"]
    assert found.left_out == {"empty": 1, "nothing marked": 1, "also among the training rows": 1, "repeated": 1}


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"text": "ab", "spans": [2]}, "line 2, column 'spans': the offset 2 lies outside the text of 2 characters"),
        ({"text": "ab", "spans": [-1]}, "line 2, column 'spans': the offset -1 lies outside"),
        ({"text": "ab", "spans": ["0"]}, "line 2, column 'spans': '0' is no character offset"),
        ({"text": "ab", "spans": [True]}, "line 2, column 'spans': 'True' is no character offset"),
        ({"text": "ab", "spans": "0, 1"}, "line 2, column 'spans': '0, 1' is no list"),
        ({"text": "ab", "spans": "[" * 100_000}, "is no list"),
        ({"text": "ab", "spans": None}, "line 2, column 'spans': 'None' is no list"),
    ],
)
def test_offsets_that_are_none_are_refused_with_their_row(
    tmp_path: Path, row: dict[str, object], complaint: str
) -> None:
    source = write(tmp_path / "a.jsonl", [{"text": "good", "spans": [0]}, row])
    with pytest.raises(DataError) as refused:
        read_rationales(source, text=None, known=[])
    assert complaint in str(refused.value)
    assert str(refused.value).startswith(source)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"tokens": ["a", "b"], "rationale": [1]}, "line 1: has 2 tokens and 1 marks"),
        ({"tokens": ["a"], "rationale": [2]}, "line 1, column 'rationale': '2' is neither 0 nor 1"),
        ({"tokens": [1], "rationale": [1]}, "line 1, column 'tokens': '1' is no word"),
        ({"tokens": "a b", "rationale": [1]}, "line 1, column 'tokens': 'a b' is no list"),
        ({"tokens": ["a"]}, "rationales need the column spans, or tokens and rationale (its columns: tokens)"),
        ({"tokens": ["a"], "rationale": [0]}, "no text is left in which people marked something (1 nothing marked)"),
    ],
)
def test_tokens_that_are_none_are_refused_with_their_row(
    tmp_path: Path, row: dict[str, object], complaint: str
) -> None:
    with pytest.raises(DataError) as refused:
        read_rationales(write(tmp_path / "a.jsonl", [row]), text=None, known=[])
    assert complaint in str(refused.value)
