"""Words: where they stand, what punctuation is theirs, and that scripts without spaces have some, too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreshot.runtime.words import Word, words_of

FAMILY = "👩\u200d👩\u200d👧"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("you absolute walnut", "you|absolute|walnut"),
        ("  kind,\n\tday!  ", "kind|day"),
        ("café\u2003nu\u00a0en", "café|nu|en"),
        # punctuation around a word is none of it, that within it is
        ("(Don't) “you” 'dare'… to-day!?", "Don't|you|dare|to-day"),
        ("¿qué? ¡no! «oui» „ja“ - – —", "qué|no|oui|ja"),
        ("f.u.c.k. a/b and/or", "f.u.c.k|a/b|and/or"),
        ("!!! ... ( ) ?! …", ""),
        # what disguises letters stays
        ("f*ck, @ss! #fail. $hit 100% b&b **** @#$%!", "f*ck|@ss|#fail|$hit|100%|b&b|****|@#$%"),
        ("_so_ `code` ~ =", "_so_|code|~|="),
        # pictures, marks and joiners stay whole
        (f"😀 walnut {FAMILY}! {ENGLAND} 👍🏽 ❤️. 1️⃣", f"😀|walnut|{FAMILY}|{ENGLAND}|👍🏽|❤️|1️⃣"),
        ("wow‼️ ‼️ x\u0323!\u0301", "wow|x\u0323"),
        ('"\u0301x', "x"),
        # right to left; zero-width characters around a word
        ("שלום, עולם! هل؟ نعم، «لا»۔", "שלום|עולם|هل|نعم|لا"),
        ("\u200babc\u200b \u202ex\u202c \u200b \ufeff می\u200cخواهم", "abc|x|می\u200cخواهم"),
        ("क्या हाल है। ठीक॥", "क्या|हाल|है|ठीक"),
        ("անուն։ ሰላም።", "անուն|ሰላም"),
        # scripts without spaces: each Han, Hiragana or Katakana letter, with its marks
        ("你好，世界！", "你|好|世|界"),
        ("「こんにちは。」", "こ|ん|に|ち|は"),
        ("スーパー・カー ｶﾞ 人々 か\u3099", "スー|パー|カー|ｶﾞ|人々|か\u3099"),
        ("葛\U000e0100城 我love你! 3月", "葛\U000e0100|城|我|love|你|3|月"),
        ("안녕 세상", "안녕|세상"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_words_are_what_a_reader_takes_for_one(text: str, expected: str) -> None:
    found = words_of(text)
    assert "|".join(word.word for word in found) == expected
    assert all(text[word.begin : word.end] == word.word for word in found)


def test_a_word_says_where_it_stands_in_code_points() -> None:
    assert words_of("😀 (kind)") == [Word(begin=0, end=1, word="😀"), Word(begin=3, end=7, word="kind")]


@pytest.mark.parametrize("most", [0, 1, 2, 3, 4, None])
def test_no_more_words_than_asked_for(most: int | None) -> None:
    assert words_of("you absolute walnut", most) == words_of("you absolute walnut")[:most]


@given(st.text(alphabet="aB1 \n.,!()'\"*@-_你か゛ー\u3099\u0301\u200b\u200d\ufe0f😀א؟", max_size=30))
def test_words_rise_and_hold_every_letter(text: str) -> None:
    found = words_of(text)
    covered = [place for word in found for place in range(word.begin, word.end)]
    assert covered == sorted(set(covered))
    assert {place for place, letter in enumerate(text) if letter.isalnum() or letter in "*@_😀"} <= set(covered)
    assert all(word.word == text[word.begin : word.end] and not set(word.word) & set(" \n") for word in found)


@pytest.mark.parametrize("unit", ["!", "!\u0301", "\u0301", "你", "か\u3099", "a.", "\u200b", "x "])
def test_a_long_text_takes_no_more_than_its_length_is_worth(unit: str) -> None:
    text = unit * 50_000  # a quadratic way takes minutes
    assert sum(word.end - word.begin for word in words_of(text)) <= len(text)
