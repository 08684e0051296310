"""Labels: one spelling for each, which class is the toxic one, and columns that hold no labels."""

import pytest

from foreshot.data.labels import BENIGN, TOXIC, canonical_label, find_classes, is_fraction
from foreshot.errors import DataError


def classes_of(labels, positive=None):
    return find_classes(labels, positive, source="a.csv")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, "1"),
        (0, "0"),
        (-1, "-1"),
        (True, "true"),
        (False, "false"),
        (1.0, "1"),
        (-0.0, "0"),
        ("1", "1"),
        (" 1.0 ", "1"),
        ("TRUE", "true"),
        ("Toxic", "Toxic"),
        ("not \n toxic", "not toxic"),
        ("cafe\u0301", "caf\xe9"),
        ("to\u200bxic\x07", "toxic"),
        ("0.5", "0.5"),
        (None, ""),
        (float("nan"), ""),
        ("  ", ""),
    ],
)
def test_a_label_has_one_spelling(value, written):
    assert canonical_label(value) == written
    assert canonical_label(written) == written


@pytest.mark.parametrize("value", [0.5, float("inf"), "0.25", ".5", "-1.5e3", "1e-3", " 0.1 "])
def test_scores_are_fractions(value):
    assert is_fraction(value)


@pytest.mark.parametrize("value", [1, True, 1.0, "1", "1.0", "1.", float("nan"), None, "v1.2", "1. threat", "e3", ""])
def test_labels_are_no_fractions(value):
    assert not is_fraction(value)


@pytest.mark.parametrize(
    ("labels", "names", "positive", "mapping"),
    [
        ([0, 1, 1], (BENIGN, TOXIC), 1, {"0": BENIGN, "1": TOXIC}),
        (["1.0", "0.0"], (BENIGN, TOXIC), 1, {"0": BENIGN, "1": TOXIC}),
        ([True, False], (BENIGN, TOXIC), 1, {"false": BENIGN, "true": TOXIC}),
        (["Yes", "No"], (BENIGN, TOXIC), 1, {"No": BENIGN, "Yes": TOXIC}),
        (["toxic", "nice"], ("nice", "toxic"), 1, {"nice": "nice", "toxic": "toxic"}),
        (["Toxic", "Not Toxic"], ("Not Toxic", "Toxic"), 1, {"Not Toxic": "Not Toxic", "Toxic": "Toxic"}),
        (["normal", "zesty"], ("normal", "zesty"), 1, {"normal": "normal", "zesty": "zesty"}),
        (
            ["rotten", "non-rotten"],
            ("non-rotten", "rotten"),
            1,
            {"non-rotten": "non-rotten", "rotten": "rotten"},
        ),
        (["Hate-Speech", "a"], ("a", "Hate-Speech"), 1, {"Hate-Speech": "Hate-Speech", "a": "a"}),
        (["safe", "not safe"], ("safe", "not safe"), 1, {"not safe": "not safe", "safe": "safe"}),
        (["neutral", "angry"], ("neutral", "angry"), 1, {"angry": "angry", "neutral": "neutral"}),
        (["non-toxic", "x"], ("non-toxic", "x"), 1, {"non-toxic": "non-toxic", "x": "x"}),
        (["no", "x"], ("no", "x"), None, {"no": "no", "x": "x"}),
        (["spam", "ham"], ("ham", "spam"), None, {"ham": "ham", "spam": "spam"}),
        (["hate", "abuse"], ("abuse", "hate"), None, {"abuse": "abuse", "hate": "hate"}),
        ([1, 2, 1, 2], ("1", "2"), None, {"1": "1", "2": "2"}),
        ([10, 2, 1, 10, 2, 1], ("1", "2", "10"), None, {"1": "1", "2": "2", "10": "10"}),
        (["b", "a", "c"] * 2, ("a", "b", "c"), None, {"a": "a", "b": "b", "c": "c"}),
    ],
)
def test_classes_without_positive(labels, names, positive, mapping):
    found = classes_of(labels)
    assert (found.names, found.positive, found.mapping) == (names, positive, mapping)
    assert bool(found.announcements) == (len(names) == 2)


def test_a_guess_is_announced():
    assert classes_of([0, 1]).announcements == ("a.csv: 1 counts as toxic (guessed; --positive names another)",)
    assert "neither of ham, spam" in classes_of(["spam", "ham"]).announcements[0]


@pytest.mark.parametrize(
    ("labels", "positive", "mapping"),
    [
        ([0, 1, 2], ["0", "1"], {"0": TOXIC, "1": TOXIC, "2": BENIGN}),
        ([0, 1], ["0"], {"0": TOXIC, "1": BENIGN}),
        ([True, False], ["True"], {"true": TOXIC, "false": BENIGN}),
        (["Hate", "hate", "ok"], ["HATE"], {"Hate": TOXIC, "hate": TOXIC, "ok": BENIGN}),
        (list(range(200)), ["7"], {str(n): TOXIC if n == 7 else BENIGN for n in range(200)}),
    ],
)
def test_positive_makes_the_task_binary(labels, positive, mapping):
    found = classes_of(labels, positive)
    assert (found.names, found.positive, found.mapping) == ((BENIGN, TOXIC), 1, mapping)


@pytest.mark.parametrize(
    ("labels", "positive", "words"),
    [
        ([1, 1, "1"], None, ["same label (1)"]),
        ([0, 1, 2], ["3"], ["positive: label '3' isn't in the column", "labels are 0, 1, 2"]),
        ([0, 1, 2], [], ["no label is named", "labels are 0, 1, 2"]),
        ([0, 1], ["1", "0"], ["names every label"]),
        ([*range(51)] * 3, None, ["51 different labels in 153 rows", "with label,", "with positive"]),
        (["a", "b", "c", "c", "c"], None, ["3 different labels in 5 rows"]),
        (["Toxic", "toxic", "ok"] * 3, None, ["'Toxic' and 'toxic' differ only in case"]),
    ],
)
def test_columns_that_give_no_classes(labels, positive, words):
    with pytest.raises(DataError) as caught:
        classes_of(labels, positive)
    for word in ["a.csv: ", *words]:
        assert word in str(caught.value)


def test_as_many_classes_as_are_allowed():
    assert len(classes_of([*range(50)] * 2).names) == 50


def test_encode_gives_the_index_whatever_the_spelling():
    classes = classes_of([0, 1, 2], ["0", "1"])
    assert [classes.encode(label, source="b.csv", row=1) for label in (2, "1", " 0", 1.0, True - 1)] == [
        0,
        1,
        1,
        1,
        1,
    ]


def test_encode_names_a_label_that_training_has_not():
    with pytest.raises(DataError, match=r"^b.csv, line 9: label 'new' is none of those .* \(ham, spam\)$"):
        classes_of(["spam", "ham"]).encode("new\n", source="b.csv", row=9)
