"""The flip ledger: kinds and ranks by hand, and a CSV that no spreadsheet runs."""

import csv
import io

import numpy as np
import pytest

from foreshot.data.marks import classes_of_mark
from foreshot.judging.flips import (
    BY_HARM,
    CHANGED,
    COLUMNS,
    NEWLY_CAUGHT,
    NEWLY_CLEARED,
    NEWLY_FLAGGED,
    NEWLY_MISSED,
    NEWLY_RIGHT,
    NEWLY_WRONG,
    Answered,
    counts,
    decided_otherwise,
    flips,
    ranked,
    to_csv,
)
from foreshot.judging.task import ClassTask, LabelTask, ScoreTask
from foreshot.results.behaviour import Flip

CLASSES = ["benign", "toxic"]


def answered(labels, decided, scores=None, part="test") -> Answered:
    """Decisions (seeds, rows) with scores of class 1, by default 0.9 where it was decided on and 0.2 elsewhere."""
    decided = np.atleast_2d(decided)
    scores = np.where(decided == 1, 0.9, 0.2) if scores is None else np.atleast_2d(scores)
    rows = range(decided.shape[1])
    return Answered(
        part=part,
        texts=[f"text {row}" for row in rows],
        rows=[10 + row for row in rows],
        labels=np.array(labels),
        decided=decided,
        probabilities=np.stack([1 - scores, scores], axis=-1),
    )


def flips_of(labels, teacher, student, positive=1, **scores) -> list[Flip]:
    before = answered(labels, teacher, scores.get("teacher_scores"))
    return flips("odd", answered(labels, student, scores.get("student_scores")), before, CLASSES, positive)


def flip(kind=NEWLY_MISSED, score=0.9, *, model="odd", seeds_flipped=1, seeds=1, text="text") -> Flip:
    return Flip(
        model=model,
        kind=kind,
        part="test",
        row=1,
        label="toxic",
        text=text,
        teacher_score=score,
        student_score=0.1,
        seeds_flipped=seeds_flipped,
        seeds=seeds,
    )


# ---- kinds ----


def test_kinds_by_hand():
    labels, teacher, student = [1, 1, 0, 0, 1, 0], [1, 0, 0, 1, 1, 0], [0, 1, 1, 0, 1, 0]
    found = flips_of(labels, teacher, student)
    assert [(one.row, one.kind) for one in found] == [
        (10, NEWLY_MISSED),
        (11, NEWLY_CAUGHT),
        (12, NEWLY_FLAGGED),
        (13, NEWLY_CLEARED),
    ]
    missed = found[0]
    assert (missed.model, missed.part, missed.label, missed.text) == ("odd", "test", "toxic", "text 0")
    assert (missed.teacher_score, missed.student_score) == pytest.approx((0.9, 0.2))
    assert (missed.seeds_flipped, missed.seeds) == (1, 1)


def test_the_positive_class_may_be_the_first():
    found = flips_of([0, 0, 1, 1], [0, 1, 1, 0], [1, 0, 0, 1], positive=0)
    assert [one.kind for one in found] == [NEWLY_MISSED, NEWLY_CAUGHT, NEWLY_FLAGGED, NEWLY_CLEARED]
    assert [one.teacher_score for one in found] == pytest.approx([0.8, 0.1, 0.1, 0.8])  # of class 0


def test_texts_without_a_label_have_changed():
    found = flips_of([-1, -1, -1], [0, 1, 1], [1, 0, 1])
    assert [(one.row, one.kind, one.label) for one in found] == [(10, CHANGED, ""), (11, CHANGED, "")]
    assert [one.teacher_score for one in found] == pytest.approx([0.2, 0.9])


def test_models_that_agree_have_no_flips():
    assert flips_of([0, 1], [1, 1], [[1, 1], [1, 1]]) == []


def test_seeds_are_counted_and_their_scores_averaged():
    student = [[0, 1], [1, 1], [0, 1]]
    (found,) = flips_of([1, 1], [1, 1], student, student_scores=[[0.1, 0.9], [0.8, 0.9], [0.3, 0.9]])
    assert (found.row, found.kind, found.seeds_flipped, found.seeds) == (10, NEWLY_MISSED, 2, 3)
    assert found.student_score == pytest.approx(0.4)


def three_classes(labels, teacher, student) -> list[Flip]:
    def of(decided) -> Answered:
        decided = np.atleast_2d(decided)
        rows = list(range(decided.shape[1]))
        probabilities = np.full((*decided.shape, 3), 0.2)
        np.put_along_axis(probabilities, decided[..., None], 0.6, axis=-1)
        return Answered(
            part="probes",
            texts=list(map(str, rows)),
            rows=rows,
            labels=np.array(labels),
            decided=decided,
            probabilities=probabilities,
        )

    return flips("odd", of(student), of(teacher), ["a", "b", "c"], None)


def test_kinds_without_a_positive_class():
    found = three_classes([0, 0, 0, -1], [0, 1, 1, 2], [1, 0, 2, 1])
    assert [one.kind for one in found] == [NEWLY_WRONG, NEWLY_RIGHT, CHANGED, CHANGED]
    assert [one.label for one in found] == ["a", "a", "a", ""]
    # P(label); for the last, which has none, P(what the teacher decided)
    assert [one.teacher_score for one in found] == pytest.approx([0.6, 0.2, 0.2, 0.6])
    assert [one.student_score for one in found] == pytest.approx([0.2, 0.6, 0.2, 0.2])


def test_where_seeds_flip_to_different_classes_the_worst_counts():
    for student in ([[0], [2]], [[2], [0]]):
        (found,) = three_classes([0], [1], student)
        assert (found.kind, found.seeds_flipped) == (CHANGED, 2)


def test_every_kind_has_its_rank():
    assert len(set(BY_HARM)) == 7
    assert set(BY_HARM) == {
        *(NEWLY_MISSED, NEWLY_FLAGGED, NEWLY_CAUGHT, NEWLY_CLEARED, NEWLY_WRONG, NEWLY_RIGHT, CHANGED)
    }


# ---- ranks ----


def test_toxic_texts_that_are_let_through_come_first_the_surest_on_top():
    given = [flip(NEWLY_CAUGHT, 0.01), flip(NEWLY_MISSED, 0.6), flip(NEWLY_FLAGGED, 0.01), flip(NEWLY_MISSED, 0.99)]
    assert [(one.kind, one.teacher_score) for one in ranked(given)] == [
        (NEWLY_MISSED, 0.99),
        (NEWLY_MISSED, 0.6),
        (NEWLY_FLAGGED, 0.01),
        (NEWLY_CAUGHT, 0.01),
    ]


def test_the_teachers_sureness_is_of_its_decision_whatever_its_threshold():
    # With a threshold of 0.05 a teacher flags at 0.1 what it is little sure of: that comes last, not first.
    for kind in (NEWLY_MISSED, NEWLY_CLEARED, NEWLY_WRONG):
        assert [one.teacher_score for one in ranked([flip(kind, 0.1), flip(kind, 0.8)])] == [0.8, 0.1]
    # and with one of 0.95 it lets through at 0.9 what it is little sure of
    for kind in (NEWLY_FLAGGED, NEWLY_CAUGHT, NEWLY_RIGHT):
        assert [one.teacher_score for one in ranked([flip(kind, 0.9), flip(kind, 0.3)])] == [0.3, 0.9]
    assert [one.teacher_score for one in ranked([flip(CHANGED, 0.4), flip(CHANGED, 0.95), flip(CHANGED, 0.2)])] == [
        0.95,
        0.2,
        0.4,
    ]


def test_flips_of_more_seeds_come_before_the_surer_ones():
    given = [flip(score=0.99, seeds_flipped=1, seeds=3), flip(score=0.6, seeds_flipped=3, seeds=3)]
    assert [one.seeds_flipped for one in ranked(given)] == [3, 1]
    assert ranked([flip(seeds_flipped=1, seeds=3), flip(seeds_flipped=1, seeds=1)])[0].seeds == 1


def test_equal_ones_keep_their_order_and_nothing_is_changed():
    given = [flip(text="b"), flip(text="a"), flip(NEWLY_FLAGGED), flip(text="c")]
    before = list(given)
    assert [one.text for one in ranked(given)] == ["b", "a", "c", "text"]
    assert given == before


def test_counts_by_model_and_kind():
    given = [flip(NEWLY_FLAGGED), flip(), flip(), flip(NEWLY_CAUGHT, model="lora")]
    found = counts(given)
    assert found == {"odd": {NEWLY_MISSED: 2, NEWLY_FLAGGED: 1}, "lora": {NEWLY_CAUGHT: 1}}
    assert list(found["odd"]) == [NEWLY_MISSED, NEWLY_FLAGGED]
    assert counts([]) == {}


# ---- CSV ----


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(to_csv([flip(text=text)]), newline="")))


def cell_of(text: str) -> str:
    header, row = rows_of(text)
    assert tuple(header) == COLUMNS
    return row[-1]


def test_a_row_of_every_column():
    _, row = rows_of("what, now?")
    assert row == ["odd", NEWLY_MISSED, "test", "1", "toxic", "0.9000", "0.1000", "1", "1", "what, now?"]
    assert to_csv([]) == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        'she said "no", twice',
        "two\nlines",
        "two\r\nlines\rand three",
        "1-2=3",
        "well-known",
        "me@example.com",
        "a = b; c",
        "hello ;-)",
        "çà et là 😀 \u200d\U0001f468 שלום",
        "tab\there",
        "nul\0",
        "; and so on",
        "−2 with a true minus",
    ],
)
def test_harmless_texts_come_back_as_they_are(text):
    assert cell_of(text) == text


def test_quotes_and_separators_do_not_break_out_of_a_cell():
    text = 'a",=1+1,"\r\n"=2,\'x\''
    rows = rows_of(text)
    assert len(rows) == 2
    assert len(rows[1]) == len(COLUMNS)
    assert rows[1][-1].replace("'", "") == text.replace("'", "")


def test_texts_labels_and_names_are_made_inert():
    hostile = flip(text="=2").model_copy(update={"label": "=1", "model": "@x"})
    _, row = csv.reader(io.StringIO(to_csv([hostile]), newline=""))
    assert (row[0], row[4], row[-1]) == ("'@x", "'=1", "'=2")


LOG3 = np.log(3)  # the logit of 3/4


def test_what_two_models_decide_otherwise_goes_by_the_judged_output_without_fitted_thresholds():
    two = classes_of_mark("toxic")
    teacher = np.array([[0, LOG3], [LOG3, 0], [0, 1], [5, 0], [np.nan, np.nan]])
    student = np.array([[1, 0.0], [0, 1], [0, 9], [0, 1], [0, 1]])
    rows, sureness = decided_otherwise(student, teacher, ClassTask(two))
    assert rows.tolist() == [0, 1, 3]
    assert sureness == pytest.approx([0.75, 0.75, 1 / (1 + np.exp(-5))])
    # Of labels the first is judged: the second row differs in another one alone.
    teacher = np.array([[LOG3, 1], [1, 1], [-LOG3, 1], [np.nan, 1]])
    student = np.array([[-1.0, 1], [1, -1], [1, 1], [1, 1]])
    rows, sureness = decided_otherwise(student, teacher, LabelTask(two, ("toxic", "rude")))
    assert rows.tolist() == [0, 2]
    assert sureness == pytest.approx([0.75, 0.75])
    # Scores decide at the threshold in use: 0.7 and 0.75 lie on either side of 0.72.
    scores, others = np.log([[0.75 / 0.25], [0.6 / 0.4]]), np.log([[0.7 / 0.3], [0.7 / 0.3]])
    rows, sureness = decided_otherwise(others, scores, ScoreTask(two, ("toxic",), ((0.72,),)))
    assert rows.tolist() == [0]
    assert sureness == pytest.approx([0.75])
