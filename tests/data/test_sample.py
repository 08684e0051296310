"""The demo's synthetic corpus: size, balance, noise, what train and test share, what gives a class away."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from foreshot.data import sample
from foreshot.data.sample import Comment, Corpus, make_corpus, make_probes, vocabulary, word_runs
from foreshot.data.split import fold

FUNCTION_WORDS = {"a", "the", "that", "this", "our", "at", "in", "on", "over"}


@pytest.fixture(scope="module", params=[0, 7])
def corpus(request: pytest.FixtureRequest) -> Corpus:
    return make_corpus(request.param)


def texts(comments: tuple[Comment, ...]) -> list[str]:
    return [comment.text for comment in comments]


def labels(comments: tuple[Comment, ...]) -> np.ndarray:
    return np.array([comment.label for comment in comments])


def strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    else:
        for branch in tree.values() if isinstance(tree, dict) else tree:
            yield from strings(branch)


def templates(part: str) -> set[str]:
    return {text for name, tree in vocabulary()[part].items() if name != "slots" for text in strings(tree)}


def fillers(part: str) -> set[str]:
    return set(strings(vocabulary()[part]["slots"]))


def words(lines: set[str]) -> set[str]:
    bare = (re.sub(r"\{[a-z]+\}|a\(n\)", " ", line) for line in lines)
    return {word for line in bare for word in re.findall(r"[a-z0-9]+", fold(line))}


def test_there_are_5100_distinct_comments(corpus: Corpus) -> None:
    assert (len(corpus.train), len(corpus.test)) == (3600, 1500)
    bare = [re.sub(r"\W+", " ", fold(text)).strip() for text in texts(corpus.train + corpus.test)]
    assert len(set(bare)) == 5100


def test_one_in_five_is_toxic_in_both_parts_and_in_each_register(corpus: Corpus) -> None:
    for part in (corpus.train, corpus.test):
        assert 0.17 <= labels(part).mean() <= 0.23
    for register in sample.REGISTERS:
        rows = [comment.label for comment in corpus.train + corpus.test if comment.register == register]
        assert len(rows) > 1000
        assert 0.17 <= np.mean(rows) <= 0.23


def test_the_stated_share_of_training_labels_is_flipped_and_no_test_label(corpus: Corpus) -> None:
    assert sum(comment.flipped for comment in corpus.train) == 72 == round(sample.LABEL_NOISE * 3600)
    assert not any(comment.flipped for comment in corpus.test)


def test_a_label_is_that_of_the_kind_unless_it_was_flipped(corpus: Corpus) -> None:
    for comment in corpus.train + corpus.test:
        built_toxic = comment.kind in vocabulary()["train"]["toxic"]
        assert comment.label == built_toxic ^ comment.flipped


def test_every_kind_occurs_in_both_parts(corpus: Corpus) -> None:
    kinds = set(vocabulary()["shares"]["toxic"]) | set(vocabulary()["shares"]["benign"])
    for part in (corpus.train, corpus.test):
        assert {comment.kind for comment in part} == kinds
    assert {kind.split(":")[0] for kind in kinds} >= {"plain", "hard negative", "implicit", "threat"}


def test_lengths_vary_from_three_words_to_about_sixty(corpus: Corpus) -> None:
    lengths = [len(text.split()) for text in texts(corpus.train)]
    assert min(lengths) == 3
    assert 45 <= max(lengths) <= sample.LONGEST
    assert np.quantile(lengths, 0.75) >= 2 * np.quantile(lengths, 0.25)


def test_every_slot_is_filled_and_every_article_chosen(corpus: Corpus) -> None:
    for text in texts(corpus.train + corpus.test):
        assert not re.search(r"[{}]|a\(n\)", text, re.IGNORECASE)
        assert text == text.strip()


@pytest.mark.parametrize(
    ("slot", "template", "expected"),
    [
        ("insult", "you are a(n) {insult}", "you are an idiot"),
        ("insult", "{insult}s, and a(n) {insult}", "idiots, and an idiot"),
        ("nasty", "a(n) {nasty} idea", "a useless idea"),
    ],
)
def test_fill_chooses_the_article_by_the_next_sound(slot: str, template: str, expected: str) -> None:
    filler = {"insult": "idiot", "nasty": "useless"}[slot]
    assert sample._fill(template, {slot: [filler]}, sample.Random(0)) == expected


def test_no_template_stands_in_both_parts() -> None:
    assert templates("train").isdisjoint(templates("test"))
    assert len(templates("train")) > 200
    assert len(templates("test")) > 120


def test_no_word_of_a_slot_filler_stands_anywhere_in_the_other_part() -> None:
    for part, other in (("train", "test"), ("test", "train")):
        content = words(fillers(part)) - FUNCTION_WORDS
        assert content.isdisjoint(words(fillers(other)))
        assert content.isdisjoint(words(templates(other)))


def test_no_five_words_in_a_row_stand_in_both_parts(corpus: Corpus) -> None:
    train = {run for text in texts(corpus.train) for run in word_runs(text, 5)}
    test = {run for text in texts(corpus.test) for run in word_runs(text, 5)}
    assert len(test) > 5000
    assert train.isdisjoint(test)


def test_word_runs_leave_out_case_and_punctuation() -> None:
    assert word_runs("One, TWO - three!", 2) == {("one", "two"), ("two", "three")}


def test_a_clause_slipped_into_both_parts_reaches_no_test_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    slipped = "it is raining here, so I have time to type"
    mixed = deepcopy(vocabulary())
    assert slipped in mixed["train"]["fillers"]["any"]
    mixed["test"]["fillers"]["any"].append(slipped)
    monkeypatch.setattr(sample, "vocabulary", lambda: mixed)
    corpus = make_corpus(0)
    assert any("raining here" in text for text in texts(corpus.train))
    assert not any("it is raining here, so" in fold(text) for text in texts(corpus.test))


def test_the_same_seed_gives_the_same_corpus_and_another_seed_another() -> None:
    assert make_corpus(3) == make_corpus(3)
    shared = set(texts(make_corpus(3).train)) & set(texts(make_corpus(4).train))
    assert len(shared) < 360
    assert texts(make_corpus(1).train) != texts(make_corpus(-1).train)


def test_another_process_with_another_hash_seed_makes_the_same_corpus() -> None:
    code = (
        "import hashlib; from foreshot.data.sample import make_corpus\n"
        "print(hashlib.sha256(repr(make_corpus(5)).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == hashlib.sha256(repr(make_corpus(5)).encode()).hexdigest()


def surface(text: str) -> list[float]:
    """Length, punctuation and casing: all that a reader sees who can't read."""
    tokens = text.split()
    capitals = sum(letter.isupper() for letter in text)
    marks = [text.count(mark) for mark in (".", ",", "?", "!", '"', "'", "-", "\n", "...")]
    casing = [capitals, capitals / len(text), text[0].isupper(), text.isupper()]
    lengths = [len(text), len(tokens), float(np.mean([len(token) for token in tokens]))]
    return [*lengths, *marks, *casing, text[-1] == ".", text[-1].isalpha()]


def test_length_punctuation_casing_and_register_do_not_tell_the_class(corpus: Corpus) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    both = corpus.train + corpus.test
    registers = [[float(comment.register == register) for register in sample.REGISTERS] for comment in both]
    cues = np.hstack([np.array([surface(text) for text in texts(both)]), np.array(registers)])
    across = cross_val_predict(model, cues, labels(both), cv=5, method="predict_proba")[:, 1]
    assert roc_auc_score(labels(both), across) < 0.6
    rows = len(corpus.train)
    model.fit(cues[:rows], labels(corpus.train))
    assert roc_auc_score(labels(corpus.test), model.predict_proba(cues[rows:])[:, 1]) < 0.6


def test_a_bag_of_words_is_better_than_chance_and_far_from_perfect(corpus: Corpus) -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10, max_iter=2000))
    model.fit(texts(corpus.train), labels(corpus.train))
    always_benign = f1_score(labels(corpus.test), np.zeros(len(corpus.test)), average="macro")
    found = f1_score(labels(corpus.test), model.predict(texts(corpus.test)), average="macro")
    assert always_benign + 0.05 < found < 0.8
    assert 0.55 < roc_auc_score(labels(corpus.test), model.predict_proba(texts(corpus.test))[:, 1]) < 0.9


def test_probes_are_labelled_distinct_and_unknown_to_the_corpus(corpus: Corpus) -> None:
    probes = make_probes()
    assert 24 <= len(probes) <= 40
    assert {probe.label for probe in probes} == {"toxic", "benign"}
    assert all(probe.note for probe in probes)
    folded = {fold(probe.text) for probe in probes}
    assert len(folded) == len(probes)
    assert folded.isdisjoint(fold(text) for text in texts(corpus.train + corpus.test))


def test_each_derogatory_word_is_probed_alone_inside_a_sentence_and_in_a_benign_twin() -> None:
    probes = make_probes()
    alone = [probe for probe in probes if len(probe.text.split()) <= 2]
    assert len(alone) >= 8
    for word in alone:
        inside = [probe.label for probe in probes if word.text in probe.text.casefold() and probe is not word]
        assert word.label == "toxic"
        assert set(inside) == {"toxic", "benign"}


def test_the_corpus_is_called_synthetic() -> None:
    assert "synthetic" in (sample.__doc__ or "")
    assert "synthetic" in (make_corpus.__doc__ or "")
