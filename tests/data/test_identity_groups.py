"""Identity terms: which texts hold a term as whole words, and files of terms that can't be used."""

import numpy as np
import pytest

from foreshot.data.identity_groups import identity_weights, mentions, read_identity_terms, with_identity_groups
from foreshot.data.split import split_tables
from foreshot.data.table import Table
from foreshot.errors import DataError

HINDU, HIND = "\u0939\u093f\u0928\u094d\u0926\u0942", "\u0939\u093f\u0928\u094d\u0926"  # the first ends in a vowel sign
JEW_HE, THE_JEW_HE = "\u05d9\u05d4\u05d5\u05d3\u05d9", "\u05d4\u05d9\u05d4\u05d5\u05d3\u05d9"


def holds(text: str, term: str) -> bool:
    return mentions([text], {"group": [term]})["group"][0]


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("my gay uncle", "gay"),
        ("GAY!", "gay"),
        ("gay", "Gay"),
        ("(gay)", "gay"),
        ("gay-friendly", "gay"),
        ("#gay_pride", "gay"),
        ("women's rights", "women"),
        ("women\u2019s rights", "women's"),
        ("women\u02bcs rights", "women"),
        ("African-American", "african american"),
        ("african\n american", "African-American"),
        ("african\u2010american", "African\u2013American"),
        ("STRASSE", "stra\xdfe"),
        ("\uff47\uff41\uff59", "gay"),
        ("g\u200bay", "gay"),
        ("cafe\u0301 owners", "caf\xe9"),
        (f"{HINDU}, yes", HINDU),
        (f"\u202b{JEW_HE}\u202c", JEW_HE),
        ("proud \U0001f3f3\ufe0f\u200d\U0001f308!", "\U0001f3f3\ufe0f\u200d\U0001f308"),
        ("hi\u2721hi", "\u2721\ufe0f"),
        ("\u2721\ufe0f hi", "\u2721"),
        ("black & white", "black &amp; white"),
    ],
)
def test_the_text_mentions_the_group(text, term):
    assert holds(text, term)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("gayle and nosegay", "gay"),
        ("gay2", "gay"),
        ("caf\xe9", "caf"),
        ("cafe\u0301s", "cafe"),
        (HINDU, HIND),
        (THE_JEW_HE, JEW_HE),
        ("black. people", "black people"),
        ("blackpeople", "black people"),
        ("people black", "black people"),
        ("black or white people", "black people"),
        ("", "gay"),
        ("a+b", "a.b"),
        ("aXb", "a.b"),
    ],
)
def test_the_text_does_not_mention_the_group(text, term):
    assert not holds(text, term)


def test_groups_may_overlap_and_have_several_terms():
    texts = ["trans women", "a trans man", "women", "nobody"]
    found = mentions(texts, {"women": ["woman", "women"], "trans people": ["trans", "transgender"]})
    assert found == {"women": [True, False, True, False], "trans people": [True, True, False, False]}


# ---- files ----


def test_terms_are_read_by_group_from_csv_with_other_columns_and_quotes(tmp_path):
    path = tmp_path / "terms.csv"
    path.write_text('note,term,group\n,women,women\n,"girl, girls", women \nx,trans,trans people\n', encoding="utf-8")
    assert read_identity_terms(str(path)) == {"women": ["women", "girl, girls"], "trans people": ["trans"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name,word\nwomen,women\n", ["columns group and term", "name, word"]),
        ("group,term\nwomen,\n", ["line 2", "'women' has no term here"]),
        ("group,term\nwomen,women\nwomen,\u200b-\n", ["line 3", "'women' has no term"]),
        ("group,term\nwomen,women\n ,man\n", ["line 3", "names no group"]),
        ("group,term\n", ["holds no rows"]),
        ("", ["is empty"]),
    ],
)
def test_a_file_of_terms_that_cannot_be_used(tmp_path, content, words):
    path = tmp_path / "terms.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as stopped:
        read_identity_terms(str(path))
    assert str(stopped.value).startswith(str(path))
    assert all(word in str(stopped.value) for word in words)


# ---- on the split ----


def a_split(labels=("benign", "toxic")):
    texts = [f"{'women' if number % 4 == 0 else 'people'} number {number}" for number in range(60)]
    named = [labels[number % len(labels)] for number in range(60)]
    table = Table(
        source="data.csv",
        texts=texts,
        labels=named,
        rows=list(range(2, 62)),
        text_column="text",
        label_column="label",
        skipped_rows=0,
        announcements=(),
    )
    return split_tables(
        table, None, None, positive=None, validation_fraction=0.2, test_fraction=0.4, seed=0, max_train_rows=None
    )


def test_the_test_part_alone_is_marked_and_counts_and_empty_groups_are_announced(tmp_path):
    path = tmp_path / "terms.csv"
    path.write_text("group,term\nwomen,women\nwalnut growers,walnut grower\n", encoding="utf-8")
    before = a_split()
    split = with_identity_groups(before, str(path))
    test = split.parts["test"]
    count = sum(text.startswith("women") for text in test.texts)
    assert count > 3
    assert test.identities == {
        "women": [text.startswith("women") for text in test.texts],
        "walnut growers": [False] * len(test),
    }
    assert test.texts == before.parts["test"].texts
    assert split.parts["train"].identities == {}
    assert split.announcements[-2:] == (
        f"identity groups, by test rows that mention them: women {count}, walnut growers 0",
        f"{path}: no test row mentions walnut growers",
    )


def test_groups_need_a_class_that_counts_as_toxic():
    with pytest.raises(DataError, match="none does here; name it with positive"):
        with_identity_groups(a_split(labels=("red", "green", "blue")), "terms.csv")


def test_weights_bring_a_groups_rate_to_that_of_all_rows():
    # 10 rows, 4 of them toxic (0.4); 4 mention the group, of which 3 are toxic (0.75): 0.4 / 0.75 and 0.6 / 0.25.
    toxic = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0])
    weights = identity_weights({"g": [True] * 4 + [False] * 6}, toxic)
    assert weights == pytest.approx([0.4 / 0.75] * 3 + [0.6 / 0.25] + [1.0] * 6)
    of_group = weights[:4]
    assert of_group[toxic[:4] == 1].sum() / of_group.sum() == pytest.approx(0.4)


def test_a_row_of_two_groups_weighs_their_geometric_mean_and_one_without_a_label_nothing_special():
    toxic = np.array([1, 0, 1, 0, -1, 0])  # 2 of 5 known ones
    both = {"a": [True, True, False, False, True, False], "b": [True, False, True, False, True, False]}
    weights = identity_weights(both, toxic)
    of_a, of_b = 0.4 / 0.5, 0.4 / 1.0
    assert weights == pytest.approx([(of_a * of_b) ** 0.5, 0.6 / 0.5, of_b, 1.0, 1.0, 1.0])


def test_no_row_outweighs_all_others():
    toxic = np.array([1] * 99 + [0] * 101)
    weights = identity_weights({"g": [True] * 99 + [True] + [False] * 100}, toxic)  # 1 benign mention of 100
    assert weights[99] == pytest.approx(5.0)
    assert identity_weights({}, toxic).tolist() == [1.0] * 200
