"""Labels: from what is written in a column to the classes that a model learns."""

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from foreshot.data.texts import EXCERPT, excerpt, listing, place, printable
from foreshot.errors import DataError

BENIGN, TOXIC = "benign", "toxic"
MOST_CLASSES = 50

NO_WORDS = frozenset({"0", "false", "no"})
YES_WORDS = frozenset({"1", "true", "yes"})
# Compared without case, white space and punctuation.
TOXIC_WORDS = frozenset({
    "toxic", "toxicity", "abuse", "abusive", "hate", "hateful", "hatespeech", "harassment", "insult", "offensive",
    "offensivelanguage", "rude", "sexist", "sexism", "racist", "racism", "misogynistic", "profane",
    "profanity", "unsafe", "threat", "bully", "bullying", "cyberbullying", "obscene", "identityhate", "identityattack"
})  # fmt: skip
BENIGN_WORDS = frozenset({
    "benign", "normal", "none", "ok", "okay", "clean", "safe", "civil", "acceptable", "neutral", "neither"
})  # fmt: skip
NEGATIONS = ("not", "non", "no")
# What stands where nobody labelled a row, or nobody could: asked about, and never a class by itself.
NOT_LABELLED_WORDS = frozenset({
    "nan", "na", "null", "nil", "unk", "unknown", "unlabelled", "unlabeled", "notlabelled", "notlabeled", "nolabel",
    "unannotated", "notannotated", "missing", "undefined", "unsure", "notsure", "unclear", "undecided", "uncertain",
    "cantsay", "skip", "skipped", "todo", "tbd"
})  # fmt: skip
NOT_LABELLED_NUMBERS = frozenset({"-1", "-9", "-99", "-999", "-9999", "99", "999", "9999"})

_RARE, _MOST_OF_A_SLIP = 0.01, 10  # share and number of rows below which a label may be a typing error
_MOST_GIVEN = 12  # values that a message writes out for an option
_RATING = re.compile(r"([+-]?[0-9]{1,9}) ?(/ ?[0-9]+|[^\W\d_]*)\Z")
_WHOLE = re.compile(r"([+-]?[0-9]+)\.0*\Z")
_FRACTION = re.compile(r"[+-]?([0-9]+\.[0-9]*|[0-9]*[.,][0-9]+|[0-9]+(?=e))(e[+-]?[0-9]+)?\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Classes:
    """The classes of a task.

    `names` stand in the order of the logits; `positive` is the index of the class that counts as toxic, where
    one does; `mapping` leads from a canonical label to the name of its class.
    """

    names: tuple[str, ...]
    positive: int | None
    mapping: dict[str, str]
    announcements: tuple[str, ...]

    @property
    def of_two(self) -> dict[str, str]:
        """What the data calls toxic and benign in a binary task; empty where no class is positive."""
        if self.positive is None or len(self.names) != 2:
            return {}
        return {TOXIC: self.names[self.positive], BENIGN: self.names[1 - self.positive]}

    def encode(self, label: object, *, source: str, row: int) -> int:
        """The index of a label's class; raises DataError when it has none."""
        written = canonical_label(label)
        if written not in self.mapping:
            raise DataError(
                f"{place(source, row)}: label {excerpt(written)!r} is none of those in the training data "
                f"({listing(self.mapping)}); repair it, or leave such rows out with ⟨leave_out⟩{given([written])}"
            )
        return self.names.index(self.mapping[written])


def canonical_label(value: object) -> str:
    """A label as one spelling: 1, 1.0, "1" and " 1.0" are "1"; True and "TRUE" are "true".

    Other text is kept in its case, in Unicode NFC, without control characters, white space collapsed.
    """
    if value is None or value != value:  # NaN
        return ""
    text = unicodedata.normalize("NFC", printable(str(value)))
    if whole := _WHOLE.match(text):
        text = "0" if whole[1] == "-0" else whole[1]
    return text.lower() if text.lower() in {"true", "false"} else text


def is_fraction(value: object) -> bool:
    """Whether a label is a number that isn't whole (0.25, "0,25", "3e-2", infinity): a score, not a class."""
    if isinstance(value, float):
        return value == value and not value.is_integer()
    return isinstance(value, str) and bool(_FRACTION.match(value.strip())) and not _WHOLE.match(value.strip())


def word_for(label: str) -> str:
    """TOXIC or BENIGN, where a label is a word for either, or 1 or 0; else nothing."""
    word = "" if label.startswith("-") else folded(label)  # -1 is not 1
    if word in TOXIC_WORDS | YES_WORDS:
        return TOXIC
    opposites = {word.removeprefix(no) for no in NEGATIONS if word.startswith(no)}
    return BENIGN if word in BENIGN_WORDS | NO_WORDS or opposites & TOXIC_WORDS else ""


def several_kinds(labels: Sequence[str]) -> bool:
    """Whether labels name two kinds of toxicity or more ("toxic", "severe_toxic"), and nothing that is benign.

    A text can have several such labels, or none, so that they can't be classes of which it has one.
    """
    kinds = 0
    for label in labels:
        words = re.findall(r"[^\W_]+", label.casefold())
        if word_for(label) == BENIGN or (words and words[0] in NEGATIONS):
            return False
        kinds += word_for(label) == TOXIC or not TOXIC_WORDS.isdisjoint(words)
    return kinds > 1


def not_labelled(written: Collection[str]) -> list[str]:
    """Those of a column's canonical labels that usually say that nobody labelled the row: -1, nan, "?", "N/A", None.

    A number beside its neighbour (-2 and -1) is one of a scale, and so is 99 beside 50. "none" is a class unless the
    others are numbers, or another one is benign already.
    """
    others = [label for label in written if folded(label) != "none"]
    none_is_spare = any(_is_number(label) or word_for(label) == BENIGN for label in others)
    return [label for label in written if _says_not_labelled(label, written, none_is_spare=none_is_spare)]


def _says_not_labelled(label: str, written: Collection[str], *, none_is_spare: bool) -> bool:
    if label in NOT_LABELLED_NUMBERS:
        others = [int(other) for other in written if _is_number(other) and other != label]
        return int(label) - 1 not in others if label.startswith("-") else max(others, default=0) <= 10
    word = folded(label)
    if not word:
        return bool(label) and all(unicodedata.category(letter).startswith("P") for letter in label)
    return word in NOT_LABELLED_WORDS or (word == "none" and none_is_spare)


def examine_labels(
    labels: Sequence[object],
    rows: Sequence[int],
    positive: Sequence[str] | None,
    classes: Sequence[str] | None,
    *,
    source: str,
) -> tuple[str, ...]:
    """Say how many rows have each label of a column, and which one so few that it may be a typing error.

    `classes`, where it is given, names all labels that are classes. Without it, labels that usually say that nobody
    labelled the row are refused but for those that `positive` names, and so is a rating where `positive` doesn't say
    what counts as toxic. Raises DataError, which says how to go on.
    """
    written = [canonical_label(label) for label in labels]
    counts = dict(sorted(Counter(written).items(), key=lambda one: _reading_order(one[0])))

    def first(label: str) -> str:
        return place(source, rows[written.index(label)])

    named = {canonical_label(value).casefold() for value in (positive or ()) if classes is None}
    if classes is not None:
        _check_named(counts, {canonical_label(value) for value in classes}, source=source, first=first)
    elif spare := [label for label in not_labelled(counts) if label.casefold() not in named]:
        raise DataError(
            f"{first(spare[0])}: label {excerpt(spare[0])!r} ({rows_text(counts[spare[0]])}) usually says that nobody "
            f"labelled the row; leave such rows out with ⟨leave_out⟩{given(spare)}, count it as a class with "
            f"⟨classes⟩{given(counts)}, or name another column with ⟨label⟩"
        )
    elif positive is None and (scale := _rating(counts)):
        upper = scale[(len(scale) + 1) // 2 :]
        raise DataError(
            f"{source}: the labels {listing(counts)} look like a rating; name what counts as toxic with ⟨positive⟩ "
            f"(⟨positive⟩{given(upper)} where more is worse), count each as a class with ⟨classes⟩{given(counts)}, or "
            "name another column with ⟨label⟩"
        )
    said = [f"{source}: {', '.join(_counted(counts))}"]
    said += [
        f"{first(label)}: label {excerpt(label)!r} stands in {count:,} of {len(written):,} rows; if it is a typing "
        f"error, repair it, or leave such rows out with --leave-out{given([label])}"
        for label, count in counts.items()
        if count <= _MOST_OF_A_SLIP and count < _RARE * len(written)
    ]
    return tuple(said)


def find_classes(
    labels: Collection[object], positive: Sequence[str] | None, *, source: str, are_named: bool = False
) -> Classes:
    """The classes of a label column; `are_named` tells that somebody said that its labels are classes.

    With `positive`, the labels it names count as toxic and the others as benign. Without, two classes are
    taken for benign and toxic if their names say so, and more are a task with many classes.
    Raises DataError when there is one class only, when `positive` names a label that isn't there, or when the
    column doesn't look like labels.
    """
    written = sorted({canonical_label(label) for label in labels}, key=_reading_order)
    if len(written) < 2:
        raise DataError(f"{source}: every row has the same label ({listing(written)}); at least two are needed")
    if positive is not None:
        return _classes_of_positive(written, positive, source=source)
    if not are_named and (len(written) > MOST_CLASSES or (len(written) > 2 and len(written) * 2 > len(labels))):
        raise DataError(
            f"{source}: {len(written)} different labels in {len(labels)} rows: not a label column, it seems; "
            "name another one with ⟨label⟩, or name the toxic labels with ⟨positive⟩"
        )
    folded: dict[str, str] = {}
    for label in written:
        if (other := folded.setdefault(label.casefold(), label)) != label:
            raise DataError(
                f"{source}: labels {excerpt(other)!r} and {excerpt(label)!r} differ only in case; write one"
            )
    yes = {label for label in written if label.lower() in YES_WORDS}
    no = {label for label in written if label.lower() in NO_WORDS}
    if yes and no and len(yes) + len(no) == len(written):
        announcement = f"{source}: {listing(sorted(yes))} counts as toxic (guessed; --positive names another)"
        return _binary(written, yes, announcement)
    if len(written) == 2:
        return _classes_of_two(written, source=source)
    return _classes_of_none(written, source=source)


def given(values: Collection[str]) -> str:
    """Values as an option takes them, "=-1,0"; where that would be long, or they hold a comma, how to name them."""
    if len(values) > _MOST_GIVEN or any("," in value or len(value) > EXCERPT for value in values):
        return " (by name, or as a list in YAML)"
    return "=" + shlex.quote(",".join(map(excerpt, values)))


def rows_text(count: int) -> str:
    """A number of rows: "1,200 rows"."""
    return f"{count:,} row{'' if count == 1 else 's'}"


def _counted(counts: Mapping[str, int]) -> list[str]:
    """How many rows have each label; of many labels the first."""
    shown = [f"{rows_text(count)} labelled {excerpt(label)}" for label, count in counts.items()]
    return shown if len(shown) <= MOST_CLASSES else [*shown[:MOST_CLASSES], f"and {len(shown) - MOST_CLASSES} more"]


def _check_named(
    counts: Mapping[str, int], named: Collection[str], *, source: str, first: Callable[[str], str]
) -> None:
    """Raise DataError unless the labels of a column are those that ⟨classes⟩ names."""
    if absent := sorted(set(named) - counts.keys(), key=_reading_order):
        raise DataError(
            f"{source}: ⟨classes⟩: label {excerpt(absent[0])!r} isn't in the column; the labels are {listing(counts)}"
        )
    if unnamed := [label for label in counts if label not in named]:
        raise DataError(
            f"{first(unnamed[0])}: label {excerpt(unnamed[0])!r} ({rows_text(counts[unnamed[0]])}) is none of "
            f"⟨classes⟩; name it there, or leave such rows out with ⟨leave_out⟩{given(unnamed)}"
        )


def _rating(written: Collection[str]) -> list[str]:
    """The labels in order of their numbers, where they are a rating ("1" to "5", "1 star", "3/5"), else nothing.

    Two numbers are two classes, and so are three that count from 0 or 1, as in data of hate, offensive and neither.
    """
    matches = {label: match for label in written if (match := _RATING.match(label))}
    kinds = {match[2].casefold().removesuffix("s") for match in matches.values()}
    if len(matches) < max(3, len(written)) or len(kinds) > 1:
        return []
    numbers = {label: int(match[1]) for label, match in matches.items()}
    if kinds == {""} and sorted(numbers.values()) in ([0, 1, 2], [1, 2, 3]):
        return []
    return sorted(numbers, key=lambda label: numbers[label])


def _classes_of_none(written: Sequence[str], *, source: str) -> Classes:
    """Classes that keep their names, none of them toxic."""
    none = "neither" if len(written) == 2 else "none"
    announcement = f"{source}: {none} of {listing(written)} is taken for toxic; name what is with --positive"
    return Classes(tuple(written), None, {label: label for label in written}, (announcement,))


def _classes_of_positive(written: list[str], positive: Sequence[str], *, source: str) -> Classes:
    wanted = {canonical_label(value).casefold() for value in positive}
    toxic = {label for label in written if label.casefold() in wanted}
    unknown = wanted - {label.casefold() for label in toxic}
    if unknown or not wanted:
        missing = f"label {excerpt(min(unknown))!r} isn't in the column" if unknown else "no label is named"
        raise DataError(f"{source}: ⟨positive⟩: {missing}; the labels are {listing(written)}")
    if len(toxic) == len(written):
        raise DataError(f"{source}: ⟨positive⟩ names every label ({listing(written)}); one must be left as benign")
    benign = [label for label in written if label not in toxic]
    named = f"{source}: labels {listing(label for label in written if label in toxic)} count as toxic"
    return _binary(written, toxic, f"{named}, {listing(benign)} as benign")


def _classes_of_two(written: list[str], *, source: str) -> Classes:
    """Two classes that keep their names; the toxic one, if the names tell, becomes the second."""
    toxic = [label for label, other in (written, written[::-1]) if _names_the_toxic_one(label, other)]
    if len(toxic) != 1:
        return _classes_of_none(written, source=source)
    benign = written[1 - written.index(toxic[0])]
    announcement = f"{source}: label {excerpt(toxic[0])!r} counts as toxic (guessed; --positive names another)"
    return Classes((benign, toxic[0]), 1, {label: label for label in written}, (announcement,))


def _names_the_toxic_one(label: str, other: str) -> bool:
    if word_for(label) == BENIGN or word_for(other) == TOXIC:
        return False
    label, other_is_benign = folded(label), word_for(other) == BENIGN and folded(other) not in NO_WORDS
    return label in TOXIC_WORDS or other_is_benign or folded(other) in {negation + label for negation in NEGATIONS}


def _binary(written: Iterable[str], toxic: Collection[str], announcement: str) -> Classes:
    mapping = {label: TOXIC if label in toxic else BENIGN for label in written}
    return Classes((BENIGN, TOXIC), 1, mapping, (announcement,))


def _is_number(label: str) -> bool:
    return bool(re.fullmatch(r"-?[0-9]{1,18}", label))


def folded(label: str) -> str:
    """A label without case, white space and punctuation: "NON_HATE" and "non-hate" are "nonhate"."""
    return "".join(filter(str.isalnum, label.casefold()))


def _reading_order(label: str) -> tuple[bool, int, str]:
    """Whole numbers first, by size, then words by their letters."""
    number = _is_number(label)
    return not number, int(label) if number else 0, label
