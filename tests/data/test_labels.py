"""Labels: one spelling for each, which class is the toxic one, and columns that hold no labels."""

import pytest

from foreshot.data.labels import (
    BENIGN,
    TOXIC,
    canonical_label,
    examine_labels,
    find_classes,
    given,
    is_fraction,
    not_labelled,
)
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


@pytest.mark.parametrize("value", [0.5, float("inf"), "0.25", "0,25", ".5", "-1.5e3", "1e-3", " 0.1 "])
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
    assert len(found.announcements) == 1


def test_a_guess_is_announced():
    assert classes_of([0, 1]).announcements == ("a.csv: 1 counts as toxic (guessed; --positive names another)",)
    assert "neither of ham, spam" in classes_of(["spam", "ham"]).announcements[0]
    assert "none of a, b, c is taken for toxic" in classes_of(["c", "b", "a"] * 2).announcements[0]


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
    with pytest.raises(DataError) as stopped:
        classes_of(["spam", "ham"]).encode("new\n", source="b.csv", row=9)
    assert str(stopped.value) == (
        "b.csv, line 9: label 'new' is none of those in the training data (ham, spam); repair it, or leave such rows "
        "out with leave_out=new"
    )


# ---- what is no class ----


def examined(labels, positive=None, classes=None):
    return examine_labels(labels, range(2, 2 + len(labels)), positive, classes, source="a.csv")


def complaint(*arguments):
    with pytest.raises(DataError) as stopped:
        examined(*arguments)
    assert "\n" not in str(stopped.value)
    return str(stopped.value)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (["0", "1", "-1"], ["-1"]),
        (["-1", "1"], ["-1"]),
        (["rude", "civil", "nan"], ["nan"]),
        (["rude", "civil", "N/A", "?", "<NA>"], ["N/A", "?", "<NA>"]),
        (["rude", "civil", "Not labelled", "UNKNOWN", "-", "???"], ["Not labelled", "UNKNOWN", "-", "???"]),
        (["0", "1", "None"], ["None"]),
        (["no", "yes", "None"], ["None"]),
        (["toxic", "not toxic", "none"], ["none"]),
        (["0", "1", "99"], ["99"]),
        # what is a class, or one of a scale
        (["toxic", "none"], []),
        (["sexism", "racism", "None"], []),
        (["0", "1", "2"], []),
        (["-2", "-1", "0", "1", "2"], []),
        (["97", "98", "99"], []),
        (["10", "50", "99"], []),
        (["natural", "nasty", "an", "n"], []),
        (["+", "\N{PILE OF POO}"], []),
    ],
)
def test_values_that_say_that_nobody_labelled_a_row(written, found):
    assert not_labelled(written) == found


def test_they_stop_with_the_ways_on():
    assert complaint([0, 1, "?", -1, 0, -1] * 4) == (
        "a.csv, line 5: label '-1' (8 rows) usually says that nobody labelled the row; leave such rows out with "
        "leave_out='-1,?', count it as a class with classes='-1,0,1,?', or name another column with label"
    )


@pytest.mark.parametrize(
    ("labels", "positive", "classes", "stops"),
    [
        ([0, 1, -1], ["1"], None, True),  # it would count as benign
        ([0, 1, -1], ["1", "-1"], None, False),
        ([0, 1, -1], None, ["-1", "0", "1"], False),
        ([0, 1, -1], ["1"], ["-1", "0", "1"], False),
        (["Rude", "NaN"], ["nan"], None, False),
        ([1, 2, 3, 4, 5], ["4", "5"], None, False),
        ([1, 2, 3, 4, 5], None, ["1", "2", "3", "4", "5"], False),
        ([1, 2, 3, 4, 5], None, None, True),
    ],
)
def test_who_names_a_value_means_it(labels, positive, classes, stops):
    if stops:
        complaint(labels * 20, positive, classes)
    else:
        assert len(examined(labels * 20, positive, classes)) == 1


def test_classes_names_them_all():
    assert "classes: label 'x' isn't in the column; the labels are 0, 1" in complaint([0, 1] * 9, None, ["0", "1", "x"])
    said = complaint(["a", "b", "typo", "a"] * 9, None, ["a", "b"])
    assert said == (
        "a.csv, line 4: label 'typo' (9 rows) is none of classes; name it there, or leave such rows out with "
        "leave_out=typo"
    )


def test_named_classes_may_be_many():
    labels = [*range(60)] * 2
    with pytest.raises(DataError, match="60 different labels in 120 rows"):
        classes_of(labels)
    assert len(find_classes(labels, None, source="a.csv", are_named=True).names) == 60


@pytest.mark.parametrize(
    ("labels", "upper"),
    [
        ([1, 2, 3, 4, 5], "4,5"),
        ([*range(11)], "6,7,8,9,10"),
        ([1, 2, 3, 4, 5, 6, 7], "5,6,7"),
        ([0, 2, 4], "4"),
        ([-2, -1, 0, 1, 2], "1,2"),
        (["1 star", "2 stars", "3 stars", "5 stars"], "'3 stars,5 stars'"),
        (["1/5", "2/5", "3/5"], "3/5"),
    ],
)
def test_ratings_stop_with_the_ways_on(labels, upper):
    said = complaint(labels * 9)
    everything = given([canonical_label(label) for label in labels])
    assert "look like a rating; name what counts as toxic with positive " in said
    assert f"(positive={upper} where more is worse), count each as a class with classes{everything}, or name" in said


@pytest.mark.parametrize(
    "labels",
    [[0, 1, 2], [1, 2, 3], [0, 4], [1, 5], ["1. threat", "2. insult", "3. other"], ["LABEL_0", "LABEL_4", "x"]],
)
def test_numbers_that_are_classes(labels):
    assert len(examined(labels * 9)) == 1


def test_classes_are_always_said_with_their_counts():
    assert examined(["no", "yes", "yes"]) == ("a.csv: 1 row labelled no, 2 rows labelled yes",)
    assert examined([1] * 1200 + [0] * 1100) == ("a.csv: 1,100 rows labelled 0, 1,200 rows labelled 1",)
    many = examined([f"c{number:02}" for number in range(60)] * 2, ["c07"])[0]
    assert "2 rows labelled c49" in many
    assert many.endswith("and 10 more")


@pytest.mark.parametrize(("times", "of", "said"), [(1, 1000, True), (9, 1000, True), (1, 50, False), (30, 9000, False)])
def test_a_label_of_hardly_any_row_is_said_with_its_row(times, of, said):
    labels = ["toxic", "benign"] * (of // 2)
    labels[10 : 10 + times] = ["txoic"] * times
    found = examined(labels, ["toxic"])[1:]  # it counts as benign otherwise
    assert bool(found) == said
    if said:
        assert found[0].startswith(f"a.csv, line 12: label 'txoic' stands in {times} of 1,000 rows; if it is a typing")
        assert found[0].endswith("--leave-out=txoic")


@pytest.mark.parametrize(
    ("values", "written"),
    [
        (["-1"], "=-1"),
        (["?"], "='?'"),
        (["not labelled", "x"], "='not labelled,x'"),
        (["a,b", "c"], " (by name, or as a list in YAML)"),
        ([str(number) for number in range(13)], " (by name, or as a list in YAML)"),
    ],
)
def test_values_are_given_as_a_shell_takes_them(values, written):
    assert given(values) == written
