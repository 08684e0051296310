"""Perturbations: ways to disguise a word from a filter that leave it plain to a reader, so that the label stays.

They change English words (runs of the letters a to z) and nothing else: words with other letters or digits in
them, addresses, mentions and placeholders such as <user> stay as they are.

Models are tested with `PERTURBATIONS` and mended with `MENDED_WITH`: some of those and `TRAINING_ONLY`. `UNTRAINED`
ones are tested without having been trained, so that a model that only knows its training's disguises shows it.
"""

import random
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from foreshot.errors import ConfigError

SHORTEST, MOST = 4, 2  # where no word is named: the fewest letters of a word that is disguised, and how many are
VOWELS = frozenset("aeiouAEIOU")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in LETTERS + LETTERS.upper())  # Unicode's full-width letters
BOLD = "".join(chr(start + place) for start in (0x1D5EE, 0x1D5D4) for place in range(26))  # mathematical, sans serif
ZERO_WIDTH_SPACE = "\u200b"

LEET = {letter: digits for key, digits in {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}.items()
        for letter in (key, key.upper())}  # fmt: skip

# The letters that have a twin in each script which common fonts draw alike. Unicode's list of confusable
# characters, which names the twins, also has pairs that a reader tells apart, such as "i" and "ι" or "r" and "г".
TWINS = {"CYRILLIC": "acdehijopqsxyABCEHJKMOPSTX", "GREEK": "ovABEHKMNOPTXYZ"}

EMOJI = {
    "🤡": "buffoon dimwit dumb dunce fool idiot imbecile joke joker loser moron nitwit stupid",
    "💩": "bullshit crap poo poop shit turd",
    "🚮": "garbage rubbish trash useless worthless",
    "🐍": "backstabber traitor",
    "🐀": "vermin",
    "🐷": "swine",
    "🐒": "ape",
    "🐕": "bitch",
    "🐔": "coward",
    "🐛": "insect maggot",
    "🦠": "disease parasite plague",
    "🤮": "disgusting filth gross puke repulsive scum sickening ugly vomit",
    "🖕": "fuck",
    "🍑": "arse ass",
    "😈": "devil evil",
    "👹": "demon monster",
    "🤥": "liar",
    "🔪": "kill knife stab",
    "🔫": "gun shoot",
    "💀": "dead death die",
}
# Patterns of spelling, and how else English spells the sound.
RESPELT = {
    "ph": "f", "(?<!p)f": "ph", "ck": "k", "(?<!c)k(?!n)": "c", "c(?![eiyhk])": "k", "c(?=[eiy])": "s", "qu": "kw",
    "x": "ks", "(?<!^)s$": "z", "er$": "a", "y$": "ie", "(?<!^)i(?!e)": "y", "u(?=[bdgmnp])": "oo", "ight": "ite",
    "tion": "shun", "ee": "ea", "oo": "u", "or": "aw",
}  # fmt: skip

EMOJI_OF_WORD = {word: emoji for emoji, words in EMOJI.items() for word in words.split()}

# What a word may not touch: letters and digits, combining marks, characters without width.
_PART = r"\w\u0300-\u036f\u200b-\u200d"
_PIECE = re.compile(
    rf"""
    (?<!\w) \w+://\S+ | (?<!\w) (?i:www)\.\S+                               # addresses
    | (?<![\w.+-]) [\w.+-]+ @ [\w.-]+                                       # of mail
    | (?<![\w.-]) [\w-]+ (?:\.[\w-]+)* \. (?i:com|org|net|edu|gov|info|io|co|tv|uk|de|fr) \b (?:/\S*)?
    | @\w+ | <\w+> | \[\w+\]                                                # mentions and placeholders
    | (?<![{_PART}]) (?<![\w]['’]) (?P<word>[A-Za-z]+) (?![{_PART}]) (?!['’](?![sS]\b)\w)
    """,
    re.VERBOSE,
)

Rule = Callable[[str, random.Random], str]


def perturb(name: str, text: str, *, words: frozenset[str] | None, seed: str) -> str:
    """The text with some of its words disguised in the way `name`, one of `PERTURBATIONS` or `TRAINING_ONLY`.

    `words`, in lower case, are those to disguise; each counts in any case and with an s at its end. Where the text
    holds none of them, or none are given, the two longest words of at least four letters that can be disguised
    are; "upper case" takes the whole text. Equal arguments give equal texts.
    Raises ConfigError where there is no such perturbation.
    """
    if name not in RULES:
        raise ConfigError(f"no perturbation {name[:40]!r}; those there are: {', '.join(RULES)}")
    rule, generator = RULES[name], random.Random(f"{seed}/{name}/{text}")
    if name == "upper case":
        return _upper(text)
    found = [match for match in _PIECE.finditer(text) if match["word"]]
    named = [match for match in found if words and _is_one_of(match["word"].lower(), words)]
    disguised: dict[int, str] = {}  # by where the word starts
    for match in named or sorted(found, key=lambda match: -len(match["word"])):
        if not named and (len(match["word"]) < SHORTEST or len(disguised) == MOST):
            break
        if (written := rule(match["word"], generator)) != match["word"]:
            disguised[match.start()] = written
    return _PIECE.sub(lambda match: disguised.get(match.start(), match[0]), text)


def _is_one_of(word: str, words: frozenset[str]) -> bool:
    return word in words or (word.endswith("s") and word[:-1] in words)


def _upper(text: str) -> str:
    """In capitals, but for addresses, mentions and placeholders."""
    parts, end = [], 0
    for match in _PIECE.finditer(text):
        parts += [text[end : match.start()].upper(), match[0].upper() if match["word"] else match[0]]
        end = match.end()
    return "".join(parts) + text[end:].upper()


def _swap(word: str, substitutes: Mapping[str, str], generator: random.Random) -> str:
    """At least half of the letters that have substitutes, each replaced by one of its own."""
    places = [place for place, letter in enumerate(word) if letter in substitutes]
    chosen = set(generator.sample(places, generator.randint((len(places) + 1) // 2, len(places))))
    return "".join(
        generator.choice(substitutes[letter]) if place in chosen else letter for place, letter in enumerate(word)
    )


def _leet(word: str, generator: random.Random) -> str:
    swapped = _swap(word, LEET, generator)
    return "4" + swapped[1:] if swapped.startswith("@") else swapped  # an "@" in front would make it a mention


def _homoglyphs(word: str, generator: random.Random) -> str:
    return _swap(word, _look_alikes(), generator)


def _repeated_letters(word: str, generator: random.Random) -> str:
    """One vowel, or the last letter, three to five times."""
    place = generator.choice([place for place, letter in enumerate(word) if letter in VOWELS or place == len(word) - 1])
    return word[:place] + word[place] * generator.randint(3, 5) + word[place + 1 :]


def _missing_vowels(word: str, generator: random.Random) -> str:
    kept = word[0] + "".join(letter for letter in word[1:] if letter not in VOWELS)
    return kept if len(kept) > 1 else word


def _as_emoji(word: str, generator: random.Random) -> str:
    """The emoji of a word: one of ours for what is meant badly, else the one that is called so in English."""
    from emoji import emojize  # its tables take a while to read

    lower = word.lower()
    for candidate in (lower, lower.removesuffix("s")):
        if candidate in EMOJI_OF_WORD:
            return EMOJI_OF_WORD[candidate]
        for name in (f":{candidate}:", f":{candidate}_face:"):
            if (found := emojize(name)) != name:
                return found
    return word


def _hyphens(word: str, generator: random.Random) -> str:
    """Hyphens or underscores between the letters."""
    return generator.choice("-_").join(word)


def _split(word: str, generator: random.Random) -> str:
    """Broken in two, by a space or a sign."""
    place = generator.randint(1, max(1, len(word) - 1))
    return word[:place] + generator.choice(" /|+~") + word[place:] if len(word) > 1 else word


def _swapped(word: str, generator: random.Random) -> str:
    """Two neighbours that differ change places; the first letter stays, as long as another pair is there."""
    places = [place for place in range(len(word) - 1) if word[place].lower() != word[place + 1].lower()]
    if not places:
        return word
    place = generator.choice([place for place in places if place] or places)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _masked(word: str, generator: random.Random) -> str:
    """An asterisk or a hash for one or more of the inner letters, or for the last of two."""
    inner = range(1, max(2, len(word) - 1))
    if len(word) < 2:
        return word
    hidden = set(generator.sample(inner, generator.randint(1, max(1, len(inner) // 2))))
    sign = generator.choice("**#")
    return "".join(sign if place in hidden else letter for place, letter in enumerate(word))


def _respelt(word: str, generator: random.Random) -> str:
    """Spelt as it is heard: one or two of the spellings of `RESPELT`."""
    found = [spelling for spelling in RESPELT if re.search(spelling, word, re.IGNORECASE)]
    if not found:
        return word
    for spelling in generator.sample(found, min(len(found), generator.randint(1, 2))):
        word = re.sub(spelling, RESPELT[spelling], word, count=1, flags=re.IGNORECASE)
    return word


def _wide(word: str, generator: random.Random) -> str:
    """All letters full-width, or all mathematical."""
    return word.translate(str.maketrans(LETTERS + LETTERS.upper(), generator.choice([WIDE, BOLD])))


@cache
def _look_alikes() -> dict[str, str]:
    """For each Latin letter its twins of other scripts, one of each script."""
    from confusable_homoglyphs.confusables import confusables_data

    found: dict[str, str] = {}
    for script, letters in TWINS.items():
        for letter in letters:
            confusable = (entry["c"] for entry in confusables_data[letter] if len(entry["c"]) == 1)
            twin = next(other for other in confusable if unicodedata.name(other, "").startswith(f"{script} "))
            found[letter] = found.get(letter, "") + twin
    return found


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "leet": _leet,
        "spacing": lambda word, generator: " ".join(word),
        "dots": lambda word, generator: ".".join(word),
        "repeated letters": _repeated_letters,
        "upper case": lambda word, generator: word.upper(),
        "homoglyphs": _homoglyphs,
        "zero-width characters": lambda word, generator: ZERO_WIDTH_SPACE.join(word),
        "missing vowels": _missing_vowels,
        "emoji": _as_emoji,
        "hyphens": _hyphens,
        "split words": _split,
        "swapped letters": _swapped,
        "masked letters": _masked,
        "phonetic": _respelt,
        "wide letters": _wide,
    }
)
ALIKE: Mapping[str, tuple[str, ...]] = MappingProxyType({"wide letters": ("homoglyphs", "emoji")})
"""What is neither trained nor tested with unless it is asked for: a WordPiece tokenizer finds no word in it, nor in the
others, so that to train with one is to train with them."""
TRAINING_ONLY = ("hyphens", "split words", "swapped letters", "masked letters", "phonetic")
PERTURBATIONS = tuple(name for name in RULES if name not in TRAINING_ONLY and name not in ALIKE)
UNTRAINED = ("dots", "homoglyphs", "missing vowels", "emoji")
MENDED_WITH = tuple(name for name in RULES if name not in UNTRAINED and name not in ALIKE)
