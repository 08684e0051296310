"""The built-in suite: counts, labels, contrast pairs, evasions, and that its sentences are whole and its own."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from difflib import SequenceMatcher

import pytest

from foreshot.data.sample import make_corpus, word_runs
from foreshot.data.split import fold
from foreshot.results.behaviour import Case
from foreshot.settings.experiment import BUILTIN_SUITE
from foreshot.suites.builtin import UNTAUGHT, builtin_cases, derogatory_words
from foreshot.suites.perturbations import PERTURBATIONS, UNTRAINED

GROUPS = {
    "women",
    "men",
    "immigrants",
    "Muslims",
    "Jews",
    "Christians",
    "Black people",
    "white people",
    "Asian people",
    "gay people",
    "trans people",
    "disabled people",
    "old people",
}
VOWEL_BUT_A = re.compile(r"\ba (?=[aeiou])(?!use|uni)", re.IGNORECASE)
CONSONANT_BUT_AN = re.compile(r"\ban (?![aeiou]|hour|honest)", re.IGNORECASE)
DISGUISED = re.compile(r"evasion: |harmless (upper case|repeated letters|leet, spacing or dots)")
DIGEST = (
    "import hashlib; from foreshot.suites.builtin import builtin_cases; "
    "print(hashlib.sha256(repr(builtin_cases()).encode()).hexdigest())"
)


def cases() -> tuple[Case, ...]:
    return builtin_cases()


def by_functionality() -> dict[str, list[Case]]:
    found: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases():
        found[case.functionality].append(case)
    return dict(found)


def pairs() -> dict[str, list[Case]]:
    found: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases():
        if case.pair is not None:
            found[case.pair].append(case)
    return dict(found)


def is_disguised(case: Case) -> bool:
    return bool(DISGUISED.match(case.functionality))


def plain(case: Case) -> str:
    """The text as it was before it was disguised, which ends the note of such a case."""
    assert case.note is not None
    return case.note.partition(": ")[2] if is_disguised(case) else case.text


def undotted(text: str) -> str:
    """Letters alone, runs of one letter as one."""
    return re.sub(r"(.)\1+", r"\1", re.sub(r"[^a-z]", "", fold(text)))


def test_size_and_balance():
    labels = Counter(case.label for case in cases())
    assert set(labels) == {"toxic", "benign"}
    assert 1600 <= len(cases()) <= 2200
    assert 0.5 <= labels["toxic"] / len(cases()) <= 0.6


def test_each_functionality_is_of_one_label_and_big_enough():
    found = by_functionality()
    assert len(found) >= 30
    assert {name for name, members in found.items() if len({case.label for case in members}) != 1} == set()
    assert {name: len(members) for name, members in found.items() if not 25 <= len(members) <= 90} == {}


def test_no_functionality_is_one_sentence_over_and_over():
    assert {
        name: len(members)
        for name, members in by_functionality().items()
        if len({case.template for case in members}) < 8
    } == {}


def test_templates_belong_to_one_functionality():
    kinds = {(case.template, case.functionality) for case in cases()}
    assert None not in {template for template, _ in kinds}
    assert len({template for template, _ in kinds}) == len(kinds)


def test_every_case_says_why():
    assert [case for case in cases() if not case.note] == []


@pytest.mark.parametrize(
    ("pattern", "label"),
    [
        (r"^I hope you get hurt", "toxic"),
        (r"^I hope you don't get hurt", "benign"),
        (r"^I'll cut your throat", "toxic"),
        (r"^I'll cut your hair", "benign"),
        (r"so keep your mouth shut\.$", "toxic"),
        (r"so I can walk her home if you like\.$", "benign"),
        (r"^It is a fact that .* in human shape", "toxic"),
        (r"^It is a disgusting lie that .* in human shape", "benign"),
        (r"^Nobody in this family is as ", "toxic"),
        (r"least of all you", "benign"),
        (r"so badly paid in this country\?$", "benign"),
        (r"^Does every .* stink on this bus", "toxic"),
        (r"I'll break your nose", "toxic"),
        (r"I'll buy you lunch", "benign"),
        (r"can't do sums", "toxic"),
        (r"can't last a year", "benign"),
        (r" should not be allowed to vote", "toxic"),
        (r" should be allowed to vote", "benign"),
        (r"so I drive to the next town now", "toxic"),
        (r"and I booked a check-up", "benign"),
        (r"^Call me old-fashioned, but .* in the gutter", "toxic"),
        (r"^Call me old-fashioned, but .* in the bin", "benign"),
        (r"^Hey \w+, nobody wants", "toxic"),
        (r'^"Hey \w+, nobody wants .* is bullying', "benign"),
        (r"^Say hello to .* ruined our holiday", "toxic"),
        (r"^Say hello to .* saved our holiday", "benign"),
    ],
)
def test_labels_are_those_a_reader_gives(pattern, label):
    found = [case for case in cases() if re.search(pattern, case.text)]
    assert len(found) >= 3
    assert {case.label for case in found} == {label}


def test_no_two_texts_are_the_same_to_a_split():
    counts = Counter(fold(case.text) for case in cases())
    assert [text for text, count in counts.items() if count > 1] == []


def test_pairs_are_a_toxic_text_and_its_near_benign_twin():
    assert len(pairs()) >= 400
    assert {tuple(sorted(case.label for case in pair)) for pair in pairs().values()} == {("benign", "toxic")}
    assert len({case.functionality for pair in pairs().values() for case in pair if case.label == "toxic"}) >= 10
    for first, second in pairs().values():
        ratio = SequenceMatcher(None, plain(first), plain(second), autojunk=False).ratio()
        assert ratio >= 0.5, (first.text, second.text)


def test_twins_share_their_words():
    shared = []
    for first, second in pairs().values():
        words = [set(re.findall(r"\w+", fold(plain(case)))) for case in (first, second)]
        shared.append(len(words[0] & words[1]) / min(map(len, words)))
    assert min(shared) >= 0.3
    assert sum(shared) / len(shared) >= 0.6


def test_every_group_is_met_with_both_labels():
    counts = Counter((case.group, case.label) for case in cases() if case.group)
    assert {group for group, _ in counts} == GROUPS
    assert {key: counts[key] for key in counts if counts[key] < 15} == {}
    assert len(counts) == 2 * len(GROUPS)


def test_a_group_is_named_in_its_texts():
    for case in cases():
        if case.group:
            stem = {"women": "wom", "men": "m[ae]n", "Jews": "jew"}.get(case.group, case.group.split()[0].rstrip("s"))
            assert re.search(rf"\b{stem}", plain(case), re.IGNORECASE), case


def test_no_trace_of_the_templates_is_left():
    assert [
        case.text for case in cases() if re.search(r"[{}\[\]|]|\(n\)|  |\n", case.text) and not is_disguised(case)
    ] == []
    assert [plain(case) for case in cases() if re.search(r"[{}\[\]|]|\(n\)|  |\n", plain(case))] == []


def test_articles():
    texts = [plain(case) for case in cases()]
    assert [text for text in texts if VOWEL_BUT_A.search(text) or CONSONANT_BUT_AN.search(text)] == []
    assert any(" an " in text for text in texts)


@pytest.mark.parametrize(("text", "wrong"), [("a idiot", True), ("A ape", True), ("a useless a", False)])
def test_a_wrong_article_is_seen(text, wrong):
    assert bool(VOWEL_BUT_A.search(text)) is wrong


def test_sentences_start_with_a_capital_and_end():
    for case in cases():
        text = plain(case)
        if " " in text:
            assert not re.search(r"^[\"']?[a-z]|[.?!] [a-z]", text), text
            emoji = case.functionality == "harmless emoji"
            assert emoji or text.endswith((".", "!", "?", '."')), text


def test_words_stand_once_in_a_row():
    assert [plain(case) for case in cases() if re.search(r"\b(\w+) \1\b", plain(case), re.IGNORECASE)] == []


def test_nothing_can_be_remembered_from_the_demo():
    learned = {run for comment in make_corpus(0).train for run in word_runs(comment.text, 5)}
    assert [case.text for case in cases() if not learned.isdisjoint(word_runs(plain(case), 5))] == []


def test_there_is_an_evasion_of_every_kind():
    names = {name.removeprefix("evasion: ") for name in by_functionality() if name.startswith("evasion: ")}
    assert names == set(PERTURBATIONS)


def test_evasions_stay_toxic_and_differ_from_their_source():
    for case in cases():
        if case.functionality.startswith("evasion: "):
            assert case.label == "toxic"
            assert case.text != plain(case)
            assert derogatory_words() & set(re.findall(r"[a-z]+", plain(case).lower())), plain(case)


def test_evasions_leave_the_rest_as_it_was():
    """Apart from upper case, which takes all, words that aren't derogatory stand unchanged in the evading text."""
    for case in cases():
        if case.functionality.startswith("evasion: ") and case.functionality != "evasion: upper case":
            kept = [word for word in plain(case).split() if word.strip(".,:!?'").lower() not in derogatory_words()]
            assert set(kept) <= set(case.text.split()), case.text


@pytest.mark.parametrize("form", ["spacing", "dots", "repeated letters", "upper case", "zero-width characters"])
def test_forms_that_only_add_can_be_undone(form):
    members = by_functionality()[f"evasion: {form}"]
    assert [case.text for case in members if undotted(case.text) != undotted(plain(case))] == []


def test_form_alone_is_not_toxicity():
    """Benign texts come in the forms of evasions too, as twins of toxic ones."""
    twins = Counter(
        next(case.functionality for case in pair if case.label == "benign")
        for pair in pairs().values()
        if any(case.functionality.startswith("evasion: ") for case in pair)
    )
    assert set(twins) == {"harmless upper case", "harmless repeated letters", "harmless leet, spacing or dots"}
    assert min(twins.values()) >= 25
    shouted = [case for case in cases() if len(case.text.split()) > 3 and case.text.isupper()]
    assert {case.label for case in shouted} == {"toxic", "benign"}


def test_derogatory_words_are_single_lower_case_words():
    assert {word for word in derogatory_words() if not re.fullmatch(r"[a-z]+", word)} == set()
    assert {"moron", "morons", "bitch", "bitches", "scum", "stupid", "vermin", "fucking"} <= derogatory_words()
    assert derogatory_words().isdisjoint({"legend", "clever", "women", "people", "you", "name"})


def test_each_word_alone_is_derogatory():
    alone = {case.text.strip(".!").lower() for case in by_functionality()["derogatory word alone"]}
    covered = {word for word in alone if word in derogatory_words() or word.removesuffix("s") in derogatory_words()}
    assert covered >= alone - {"subhumans", "retards", "imbeciles"}


def test_the_suite_is_the_same_whatever_the_hash_seed():
    digests = set()
    for seed in ("0", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout.strip())
    assert digests == {hashlib.sha256(repr(builtin_cases()).encode()).hexdigest()}


def test_importing_it_is_cheap():
    report = "import sys, foreshot.suites.builtin as s; s.builtin_cases(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "sklearn", "scipy"} & set(done.stdout.split()) == set()


def test_what_is_sealed():
    """Six functionalities, of both labels, and untrained disguises whole; of the others two templates of five."""
    labels = {name: members[0].label for name, members in by_functionality().items()}
    assert sorted(labels[name] for name in UNTAUGHT) == ["benign"] * 3 + ["toxic"] * 3
    whole = {name for name, members in by_functionality().items() if all(case.sealed for case in members)}
    assert whole == UNTAUGHT | {f"evasion: {name}" for name in UNTRAINED}
    for name in labels.keys() - whole:
        templates = {(case.template, case.sealed) for case in by_functionality()[name]}
        numbers = {number for number, _ in templates}
        assert len(templates) == len(numbers), name  # a template is on one side
        share = sum(sealed for _, sealed in templates) / len(numbers)
        assert name == "harmless leet, spacing or dots" or 0.35 <= share <= 0.45, (name, share)


def test_twins_are_on_one_side_of_the_seal():
    assert [pair for pair, members in pairs().items() if len({case.sealed for case in members}) > 1] == []


def test_benign_twins_of_untrained_disguises_are_sealed():
    twins = [case for case in by_functionality()["harmless leet, spacing or dots"] if "." in case.text.rstrip(".")]
    dotted = [case for case in twins if re.search(r"\w\.\w\.\w", case.text)]
    assert len(dotted) >= 10
    assert all(case.sealed for case in dotted)


def test_name():
    assert BUILTIN_SUITE == "builtin"
