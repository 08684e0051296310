"""Corrections by hand: what a row says, whose word is the last, and what a split becomes."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from foreshot.data.correcting import corrected, overruled
from foreshot.data.corrections import Correction, Corrections, merged, read_corrections
from foreshot.data.labels import Classes
from foreshot.data.marks import classes_of_mark
from foreshot.data.split import Part, Split, fold
from foreshot.errors import DataError

NAN = math.nan


def part(texts: str, labels: list[int], **more: Any) -> Part:
    words = texts.split()
    return Part("data.csv", words, labels, list(range(2, 2 + len(words))), **more)


def split(**more: Any) -> Split:
    """Classes benign and toxic, called 0 and 1 in the data: six training rows, two of each other part."""
    values: dict[str, Any] = {
        "parts": {
            "train": part("a b c d e f", [0, 1, 0, 1, 0, 1]),
            "validation": part("g h", [0, 1]),
            "test": part("i j", [0, 1]),
        },
        "classes": Classes(("benign", "toxic"), 1, {"0": "benign", "1": "toxic"}, ()),
        "text_column": "text",
        "label_column": "is_toxic",
        "duplicates_removed": {},
        "label_conflicts": 0,
        "skipped_rows": 0,
        "announcements": (),
    }
    return Split(**{**values, **more})


def of_labels() -> Split:
    def marked(texts: str, *marks: tuple[int, ...]) -> Part:
        return part(texts, [first for first, *_ in marks], marks=list(marks))

    parts = {
        "train": marked("a b c d", (0, 0), (1, 0), (0, 1), (1, 1)),
        "validation": marked("g h", (0, 1), (1, 0)),
        "test": marked("i j", (0, 0), (1, 1)),
    }
    return split(parts=parts, classes=classes_of_mark("toxic"), label_names=("toxic", "insult"))


def of_scores() -> Split:
    def scored(texts: str, *scores: tuple[float, ...]) -> Part:
        labels = [-1 if math.isnan(first) else int(first >= 0.7) for first, *_ in scores]
        return part(texts, labels, scores=list(scores))

    parts = {
        "train": scored("a b c d e", (0.1, 0.2), (0.9, NAN), (NAN, 0.3), (0.8, 0.4), (0.2, 0.2)),
        "validation": scored("g h", (0.1, 0.1), (0.9, 0.9)),
        "test": replace(scored("i j", (0.1, 0.1), (0.9, 0.9)), repeats={0: (0.2, 0.2), 1: (0.8, 0.8)}),
    }
    return split(parts=parts, classes=classes_of_mark("TOXICITY"), score_names=("TOXICITY", "INSULT"), labelled=False)


def read(folder: Path, lines: list[dict[str, Any]], of: Split | None = None, **options: Any) -> Corrections:
    path = folder / "corrections.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return read_corrections(str(path), of or split(), **options)


def values_of(read: Corrections) -> dict[str, tuple[Any, ...]]:
    """What is right by text, None for what nothing is said of."""
    return {one.text: tuple(None if math.isnan(value) else value for value in one.values) for one in read.found}


# ---- what a row says ----


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ({"label": "toxic"}, 1),
        ({"label": "Toxic"}, 1),
        ({"label": 1}, 1),
        ({"label": "0"}, 0),
        ({"label": 0.0}, 0),
        ({"is_toxic": 1}, 1),
        ({"scores": {"toxic": 0.5}}, 1),
        ({"scores": {"toxic": 0.4}}, 0),
        ({"scores": {"benign": 0.1}}, 1),
        ({"scores": {"benign": 0.6, "toxic": 0.7}}, 1),
        ({"scores": '{"1": 0.9}'}, 1),
    ],
)
def test_a_class_is_told_by_its_label_in_the_data_or_its_name_or_by_scores(tmp_path, cells, wanted):
    assert values_of(read(tmp_path, [{"text": "x", **cells}])) == {"x": (wanted,)}


def test_of_more_classes_a_low_score_says_only_what_a_text_is_not(tmp_path):
    three = split(classes=Classes(("a", "b", "c"), None, {name: name for name in "abc"}, ()))
    found = read(tmp_path, [{"text": "x", "scores": {"a": 0.1}}, {"text": "y", "scores": {"a": 0.1, "b": 0.8}}], three)
    assert values_of(found) == {"y": (1,)}
    assert found.left_out == {"that say only what a text is not": 1}


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ({"labels": ["insult"]}, (0, 1)),
        ({"labels": []}, (0, 0)),
        ({"labels": "toxic"}, (1, 0)),
        ({"scores": {"insult": 0.75}}, (None, 1)),
        ({"scores": {"toxic": 0.2, "insult": 0.1}}, (0, 0)),
        ({"toxic": 1}, (1, None)),
        ({"toxic": 0, "insult": "1"}, (0, 1)),
        ({"label": "not toxic"}, (0, None)),
        ({"label": "benign"}, (0, None)),
        ({"label": 1}, (1, None)),
        ({"label": "insult"}, (None, 1)),
        ({"label": "toxic|insult"}, (1, 1)),
    ],
)
def test_several_labels_are_told_all_at_once_or_one_by_one(tmp_path, cells, wanted):
    assert values_of(read(tmp_path, [{"text": "x", **cells}], of_labels())) == {"x": wanted}


def test_a_column_that_holds_all_labels_says_what_is_not_there_too(tmp_path):
    lines = [{"text": "x", "tags": "insult"}, {"text": "y", "tags": "toxic|insult"}, {"text": "z", "tags": "none"}]
    found = read(tmp_path, lines, of_labels(), label="tags")
    assert values_of(found) == {"x": (0, 1), "y": (1, 1), "z": (0, 0)}


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ({"label": "toxic"}, (1, None)),
        ({"label": "benign"}, (0, None)),
        ({"label": "INSULT"}, (None, 1)),
        ({"TOXICITY": 0.35}, (0.35, None)),
        ({"scores": {"TOXICITY": 0.2, "INSULT": 0.9}}, (0.2, 0.9)),
        ({"labels": ["TOXICITY"]}, (1, 0)),
    ],
)
def test_scores_are_overruled_by_scores_and_by_words(tmp_path, cells, wanted):
    assert values_of(read(tmp_path, [{"text": "x", **cells}], of_scores())) == {"x": wanted}


@pytest.mark.parametrize(
    ("line", "of", "words"),
    [
        ({"text": "x", "label": "rude"}, split(), ["line 1", "'rude'", "0, 1"]),
        ({"text": "x", "scores": {"rude": 1}}, split(), ["'rude'"]),
        ({"text": "x", "scores": {"toxic": 1.2}}, split(), ["column 'scores'", "toxic", "1.2"]),
        ({"text": "x", "scores": {"toxic": None}}, split(), ["no score"]),
        ({"text": "x", "scores": [1]}, split(), ["has no score for any label"]),
        ({"text": "x", "toxic": 3}, of_labels(), ["column 'toxic'", "neither 0 nor 1"]),
        ({"text": "x", "labels": ["rude"]}, of_labels(), ["'rude'", "toxic, insult"]),
        ({"text": "x", "TOXICITY": "high"}, of_scores(), ["'high' is no number"]),
        ({"text": "x", "TOXICITY": -1}, of_scores(), ["there is no score"]),
        ({"text": "", "label": "toxic"}, split(), ["has no text"]),
        ({"text": "x", "label": None}, split(), ["nothing says what is right"]),
    ],
)
def test_what_says_nothing_is_refused_with_its_row(tmp_path, line, of, words):
    with pytest.raises(DataError) as refused:
        read(tmp_path, [line], of)
    for word in ["corrections.jsonl", *words]:
        assert word in str(refused.value)


# ---- the last word ----


def test_by_time_where_all_have_one_else_by_their_order(tmp_path):
    lines = [
        {"text": "x", "label": "toxic", "when": "2026-11-30T13:00:00+01:00"},
        {"text": "X ", "label": "benign", "when": "2026-11-30T12:30:00Z"},
        {"text": "x", "label": "toxic", "when": 1_764_460_800},  # 2025-11-30
        {"text": "y", "label": "benign", "when": "2026-01-01"},
    ]
    found = read(tmp_path, lines)
    assert (values_of(found), found.by_time) == ({"y": (0,), "X ": (0,)}, True)
    assert (found.read, found.contradicted) == (4, 1)
    without = read(tmp_path, [*lines, {"text": "y", "label": "benign"}])
    assert (values_of(without), without.by_time) == ({"x": (1,), "y": (0,)}, False)
    assert (without.read, without.contradicted) == (5, 2)


def test_a_later_word_on_one_label_leaves_what_was_said_of_the_others(tmp_path):
    lines = [{"text": "x", "labels": ["toxic"]}, {"text": "x", "scores": {"insult": 1}}]
    found = read(tmp_path, lines, of_labels())
    assert (values_of(found), found.contradicted) == ({"x": (1, 1)}, 1)
    lines = [{"text": "x", "scores": {"toxic": 1}}, {"text": "x", "scores": {"insult": 1}}]
    found = read(tmp_path, lines, of_labels())
    assert (values_of(found), found.contradicted) == ({"x": (1, 1)}, 0)


def test_merging_by_hand():
    assert merged((1.0, 0.0), (NAN, 1.0)) == (1.0, 1.0)


# ---- what a split becomes ----


def corrections(values: dict[str, tuple[float, ...]]) -> Corrections:
    found = tuple(Correction(text=text, row=row, values=of) for row, (text, of) in enumerate(values.items(), 1))
    return Corrections(
        source="corrections.csv",
        found=found,
        read=len(found),
        contradicted=0,
        left_out={},
        by_time=False,
        announcements=(),
    )


def answers(of: Split, name: str) -> dict[str, Any]:
    return dict(zip(of.parts[name].texts, of.parts[name].answers, strict=True))


def test_a_split_by_hand():
    said = corrections({"A": (1.0,), "b": (1.0,), "g": (0.0,), "i": (0.0,), "new": (0.0,)})
    right, facts = corrected(split(), said, share=0.0, seed=0, threshold=0.5)
    assert answers(right, "train") == {"a": 1, "b": 1, "c": 0, "d": 1, "e": 0, "f": 1, "new": 0}
    assert right.parts["train"].corrected == [True, True, False, False, False, False, True]
    assert right.parts["train"].rows == [2, 3, 4, 5, 6, 7, 5]
    assert answers(right, "validation") == {"g": 0, "h": 1}
    assert answers(right, "test") == {"i": 0, "j": 1}
    assert answers(right, "corrections") == {"i": 0}
    assert (facts.of_part, facts.added, facts.overruled, facts.held_out, facts.learnt) == (
        {"train": 2, "validation": 1, "test": 1}, 1, 1, 0, 3,
    )  # fmt: skip


def test_marks_are_put_right_one_by_one_and_a_new_text_must_have_them_all():
    said = corrections({"a": (NAN, 1.0), "new": (1.0, 0.0), "half": (1.0, NAN)})
    right, facts = corrected(of_labels(), said, share=0.0, seed=0, threshold=0.5)
    assert answers(right, "train") == {"a": (0, 1), "b": (1, 0), "c": (0, 1), "d": (1, 1), "new": (1, 0)}
    assert right.parts["train"].labels == [0, 1, 0, 1, 1]
    assert facts.left_out == {"that speak of some labels alone, of new texts": 1}


def test_scores_are_put_right_with_what_follows_from_them():
    said = corrections({"a": (1.0, NAN), "c": (NAN, 0.9), "i": (0.65, NAN), "new": (NAN, 0.5)})
    right, facts = corrected(of_scores(), said, share=0.0, seed=0, threshold=0.7)
    train, test = right.parts["train"], right.parts["test"]
    shown = [tuple(None if math.isnan(score) else score for score in of) for of in train.scores or ()]
    assert shown == [(1.0, 0.2), (0.9, None), (None, 0.9), (0.8, 0.4), (0.2, 0.2), (None, 0.5)]
    assert train.labels == [1, 1, -1, 1, 0, -1]
    assert (test.scores, test.labels) == ([(0.65, 0.1), (0.9, 0.9)], [0, 1])
    assert test.repeats == {1: (0.8, 0.8)}  # the other was of the score that is overruled
    assert facts.overruled == 3


def test_what_is_held_out_is_of_each_class_and_depends_on_seed_and_text_alone():
    texts = {f"new {number}": (float(number % 4 == 0),) for number in range(40)}

    def held(of: dict[str, tuple[float, ...]], seed: int = 0) -> set[str]:
        right, _ = corrected(split(), corrections(of), share=0.2, seed=seed, threshold=0.5)
        assert not set(right.parts["corrections"].texts) & set(right.parts["train"].texts)
        return set(right.parts["corrections"].texts)

    first = held(texts)
    assert sum(texts[text] == (1.0,) for text in first) == 2
    assert len(first) == 8
    assert held(dict(reversed(texts.items()))) == first
    assert held(texts, seed=1) != first
    many = {f"many {number}": (float(number % 4 == 0),) for number in range(800)}
    before, after = held(dict(list(many.items())[:400])), held(many)
    assert len(before & after) > 0.7 * len(before)  # 20 % would be chance; as the share moves on, a few change places


def test_a_text_is_one_text_however_it_is_written():
    said = corrections({" ＡＢ\u200bc ": (1.0,)})
    of = split(parts={**split().parts, "train": part("abc d e f", [0, 1, 0, 1])})
    right, _ = corrected(of, said, share=0.0, seed=0, threshold=0.5)
    assert answers(right, "train") == {"abc": 1, "d": 1, "e": 0, "f": 1}
    assert fold(" ＡＢ\u200bc ") == "abc"


def test_a_part_that_loses_a_class_is_refused():
    with pytest.raises(DataError, match="the validation part has no row of class 'toxic'"):
        corrected(split(), corrections({"h": (0.0,)}), share=0.0, seed=0, threshold=0.5)


def test_the_rows_that_none_is_about_stay():
    found = overruled(split().parts["train"], {}, split(), 0.5)
    assert replace(found, corrected=None) == split().parts["train"]
    assert found.corrected == [False] * 6
