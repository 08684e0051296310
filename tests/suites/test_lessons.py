"""Lessons: labels, twins and seeds, and that nothing of the built-in suite is in them."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product

import pytest

from foreshot.data.split import fold
from foreshot.suites import builtin, lessons
from foreshot.suites.builtin import UNTAUGHT, builtin_cases, derogatory_words
from foreshot.suites.lessons import LABELS, ContrastText, contrast_texts
from foreshot.suites.templates import SLOT, plural, sides

MOST = 20_000
# What joins the words of a sentence and says nothing by itself: articles, pronouns, auxiliaries, prepositions,
# conjunctions, negations, and adverbs of time, place and degree.
STOP_WORDS = frozenset({
    "a", "an", "the", "this", "that", "these", "those", "each", "every", "some", "any", "no", "none", "one",
    "i", "me", "my", "mine", "you", "your", "yours", "he", "him", "his", "she", "her", "hers", "it", "its",
    "we", "us", "our", "ours", "they", "them", "their", "theirs", "who", "whom", "whose", "which", "what",
    "where", "when", "why", "how", "there", "here", "be", "am", "is", "are", "was", "were", "been", "being",
    "do", "does", "did", "done", "have", "has", "had", "having", "will", "would", "shall", "should", "can",
    "could", "may", "might", "must", "ought", "of", "to", "in", "on", "at", "by", "for", "from", "with",
    "without", "into", "onto", "over", "under", "up", "down", "out", "off", "about", "against", "between",
    "through", "after", "before", "behind", "below", "above", "near", "since", "until", "till", "as", "like",
    "than", "and", "or", "but", "if", "so", "because", "while", "though", "although", "not", "n't", "never",
    "nor", "don't", "doesn't", "didn't", "isn't", "aren't", "wasn't", "weren't", "won't", "wouldn't",
    "shouldn't", "can't", "couldn't", "i'm", "you're", "he's", "she's", "it's", "we're", "they're", "i've",
    "you've", "we've", "they've", "i'll", "you'll", "he'll", "she'll", "we'll", "they'll", "i'd", "you'd",
    "he'd", "she'd", "we'd", "they'd", "that's", "there's", "let's", "just", "very", "too", "also", "only",
    "even", "still", "yet", "again", "ever", "always", "now", "then", "all", "both", "more", "most", "much",
    "many", "other", "another", "such", "same", "own", "s", "t",
})  # fmt: skip
CHOICE = re.compile(r"<([^<>|]*(?:\|[^<>|]*)+)>")
NAMES_IN_THE_SUITE = {*builtin._suite()["words"]["name"], "Dick", "Randy", "Fanny", "Willy"}
DEROGATORY_LISTS = ("insult", "nasty", "low", "pest", "rot")
DIGEST = (
    "import hashlib; from foreshot.suites.lessons import contrast_texts; "
    "print(hashlib.sha256(repr(contrast_texts(2000, 3)).encode()).hexdigest())"
)


@cache
def texts() -> tuple[ContrastText, ...]:
    return tuple(contrast_texts(MOST, 0))


def pairs() -> list[list[ContrastText]]:
    found: defaultdict[int, list[ContrastText]] = defaultdict(list)
    for text in texts():
        found[text.pair].append(text)
    return list(found.values())


# ---- what both are held against each other by ----


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", fold(text).replace("’", "'"))


def runs(text: str, length: int) -> Iterator[tuple[str, ...]]:
    """The runs of so many content words, stop words left out."""
    content = [word for word in words_of(text) if word not in STOP_WORDS]
    return zip(*(content[start:] for start in range(length)), strict=False)


@cache
def suite_texts() -> tuple[str, ...]:
    """The texts as they were before they were disguised."""
    disguised = re.compile(r"evasion: |harmless (upper case|repeated letters|leet, spacing or dots)")
    return tuple(
        case.note.partition(": ")[2] if case.note and disguised.match(case.functionality) else case.text
        for case in builtin_cases()
    )


@cache
def suite_runs(length: int) -> frozenset[tuple[str, ...]]:
    return frozenset(run for text in suite_texts() for run in runs(text, length))


def shared_runs(found: Iterable[ContrastText]) -> set[tuple[str, ...]]:
    return {run for text in found for run in runs(text.text, 4)} & suite_runs(4)


def masked(template: str) -> set[str]:
    """What a template's texts have in common: slots as one sign, and every choice of words."""
    options = [match[1].split("|") for match in CHOICE.finditer(template)]
    chosen = set()
    for choice in product(*options):
        taken = iter(choice)
        for side in sides(CHOICE.sub(lambda match, taken=taken: next(taken), template)):
            chosen.add(" ".join(words_of(SLOT.sub(" xxxx ", side.replace("(n)", "")))))
    return chosen


@cache
def suite_templates() -> frozenset[str]:
    suite = builtin._suite()
    listed = [template for block in suite["blocks"] for template in block["templates"]]
    listed += suite["evasions"]["templates"] + suite["evasions"]["emoji_templates"]
    return frozenset(one for template in listed for one in masked(template))


def shared_templates(kinds: dict[str, dict[str, str]]) -> set[str]:
    found = {one for kind in kinds.values() for template in kind["templates"].splitlines() for one in masked(template)}
    return found & suite_templates()


def derogatory() -> frozenset[str]:
    """Words that put somebody down in the suite or in the lessons, singular and plural."""
    listed = [word for name in DEROGATORY_LISTS for word in lessons._lessons()["words"][name]]
    return derogatory_words() | {*listed, *map(plural, listed)}


def shared_phrases(found: Iterable[ContrastText]) -> set[tuple[str, ...]]:
    """Two content words in a row, a derogatory one among them, in toxic texts of both."""
    of_the_suite = {
        run
        for case, text in zip(builtin_cases(), suite_texts(), strict=True)
        if case.label == "toxic"
        for run in runs(text, 2)
    }
    ours = {run for text in found if text.label == "toxic" for run in runs(text.text, 2)}
    return {run for run in ours & of_the_suite if not derogatory().isdisjoint(run)}


# ---- leaks ----


def test_no_template_is_the_suites():
    assert shared_templates(lessons._kinds()) == set()


def test_no_four_content_words_in_a_row_are_the_suites():
    assert shared_runs(texts()) == set()


def test_no_derogatory_word_or_phrase_is_the_suites():
    fillers = {fold(word) for name in DEROGATORY_LISTS for word in lessons._lessons()["words"][name]}
    assert fillers & derogatory_words() == set()
    assert shared_phrases(texts()) == set()


def test_no_first_name_is_the_suites():
    names = {name for listed in lessons._lessons()["names"].values() for name in listed}
    assert names & NAMES_IN_THE_SUITE == set()
    assert {name.lower() for name in names} & {word for text in suite_texts() for word in words_of(text)} == set()
    written = {word for text in texts() for word in re.findall(r"[A-Z][a-z]+", text.text)}
    assert written & NAMES_IN_THE_SUITE == set()


@pytest.mark.parametrize(
    ("copied", "of"),
    [
        ("What a(n) [{nasty} {insult}|{kind} {gem}] your brother is.", ["abuse", "benign"]),
        ("Calling {group} {pests} is [far too kind to them|cruel and false].", ["attack", "benign"]),
        ("Keep {group} out of our school, they would only drag it down.", ["attack"]),
        ("I'll cut your [throat|hair] <on Friday|soon>, {name}.", ["abuse", "benign"]),
        ("We never rent rooms to {group}.", ["attack"]),
    ],
)
def test_a_template_that_is_copied_from_the_suite_is_seen(copied, of, monkeypatch):
    monkeypatch.setattr(lessons, "_kinds", lambda: {"copied": {"of": of, "templates": copied}})
    assert shared_templates(lessons._kinds()) != set()


def test_a_sentence_of_the_suite_is_seen_in_other_surroundings(monkeypatch):
    copied = "Yesterday we heard that her cockatoo can whistle two songs, and {name} laughed."
    monkeypatch.setattr(lessons, "_kinds", lambda: {"copied": {"of": ["benign"], "templates": copied}})
    assert shared_templates(lessons._kinds()) == set()
    assert shared_runs(contrast_texts(50, 0)) == {("cockatoo", "whistle", "two", "songs")}


def test_a_phrase_of_the_suite_is_seen_in_other_surroundings(monkeypatch):
    copied = "My {kin} is a lying snake, says {name}."
    monkeypatch.setattr(lessons, "_kinds", lambda: {"copied": {"of": ["abuse"], "templates": copied}})
    assert shared_phrases(contrast_texts(50, 0)) == set()  # a single word may be shared
    copied = "Well, {name} is full of shit today."
    monkeypatch.setattr(lessons, "_kinds", lambda: {"copied": {"of": ["abuse"], "templates": copied}})
    assert shared_phrases(contrast_texts(50, 0)) == {("full", "shit")}


def test_nothing_is_taught_of_what_is_sealed_whole():
    assert set(lessons._kinds()).isdisjoint(UNTAUGHT)
    taught = re.compile(
        r"\b(kill|hang|cut|drown|hurt|shoot) (your|my|him|her)(self|selves)|your own (life|hand)|suicide|slit your"
        r"|\bnaked|\bnudes?\b|\bthe word [\"“]|\bdictionary|\bmean by [\"“]",
        re.IGNORECASE,
    )
    assert [text.text for text in texts() if taught.search(text.text)] == []
    assert [text.text for text in texts() if len(text.text.split()) < 2] == []


# ---- the texts ----


def test_size_and_balance():
    assert len(texts()) == MOST
    assert len({fold(text.text) for text in texts()}) == MOST
    shares = Counter(text.label for text in texts())
    assert 0.45 <= shares["toxic"] / MOST <= 0.55
    assert 0.4 <= sum(text.attacks_group for text in texts()) / shares["toxic"] <= 0.6
    assert {(text.label, text.attacks_group) for text in texts()} == set(LABELS.values())


def test_many_kinds_and_templates_drawn_evenly():
    kinds = lessons._kinds()
    assert len(kinds) >= 25
    assert sum(len(kind["templates"].splitlines()) for kind in kinds.values()) >= 250
    drawn = Counter(pair[0].kind for pair in pairs())
    assert drawn.keys() == kinds.keys()
    assert max(drawn.values()) - min(drawn.values()) <= 1


def test_no_template_stands_twice():
    listed = Counter(template for kind in lessons._kinds().values() for template in kind["templates"].splitlines())
    assert max(listed.values()) == 1


def test_twins_stand_together_and_follow_their_kind():
    of = {name: [LABELS[side] for side in kind["of"]] for name, kind in lessons._kinds().items()}
    for pair in pairs():
        assert [(text.label, text.attacks_group) for text in pair] == of[pair[0].kind]
    assert [text.pair for text in texts()] == sorted(text.pair for text in texts())
    assert sum(len(pair) == 2 for pair in pairs()) > 0.9 * len(pairs())


def test_half_a_pair_is_never_given():
    for most in (0, 1, 2, 3, 50, 51):
        found = contrast_texts(most, 5)
        assert most - 1 <= len(found) <= most
        assert found == contrast_texts(200, 5)[: len(found)]
        assert min(Counter(text.pair for text in found if text.kind != "talk against hate").values(), default=2) >= 1


def test_the_seed_counts():
    first, again, other = contrast_texts(300, 0), contrast_texts(300, 0), contrast_texts(300, 1)
    assert first == again
    assert len({text.text for text in first} & {text.text for text in other}) < 30


def test_the_texts_are_the_same_whatever_the_hash_seed():
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(repr(contrast_texts(2000, 3)).encode()).hexdigest()


def test_whoever_attacks_a_group_names_it_and_whoever_does_not_attack_one_does_not():
    groups = {fold(word) for row in lessons._lessons()["groups"] for word in row.values()}
    named = [any(group in fold(text.text) for group in groups) for text in texts() if text.attacks_group]
    assert sum(named) / len(named) > 0.85  # not where it is misspelt, or called by another name
    others = [text.text for text in texts() if text.label == "toxic" and not text.attacks_group]
    assert [text for text in others if re.search(r"\b(lesbian|Muslim|refugee)s?\b", text)] == []


def test_no_trace_of_the_templates_is_left():
    assert [text.text for text in texts() if re.search(r"[{}\[\]|<>]|\(n\)|  |\n", text.text)] == []
    article = re.compile(r"\ba (?=[aeiou])(?!use|uni|one)|\ban (?![aeiouh])")
    assert [text.text for text in texts() if article.search(fold(text.text))] == []


@pytest.mark.parametrize(
    ("pattern", "label", "attacks"),
    [
        (r"keep out", "toxic", True),
        (r"always welcome", "benign", False),
        (r"should be banned", "toxic", True),
        (r"should be put to a vote", "benign", False),
        (r"enclosure smell worse", "benign", False),
        (r"I'd bring a lid", "toxic", False),
        (r"bring a rope and half", "benign", False),
        (r"^We queers", "benign", False),
        (r"^Bloody queers", "toxic", True),
        (r"on your way to your house|is on the way to your house", "toxic", False),
        (r"was the butler", "benign", False),
        (r"Don't mind me, I'm just", "benign", False),
        (r"^Don't be such", "toxic", False),
        (r"is how every massacre", "benign", False),
        (r"is what we should teach in schools", "toxic", True),
    ],
)
def test_labels_are_those_a_reader_gives(pattern, label, attacks):
    found = [text for text in texts() if re.search(pattern, text.text)]
    assert len(found) >= 2
    assert {(text.label, text.attacks_group) for text in found} == {(label, attacks)}
