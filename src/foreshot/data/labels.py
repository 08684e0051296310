"""Labels: from what is written in a column to the classes that a model learns."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from foreshot.data.texts import excerpt, listing, place, printable
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

_WHOLE = re.compile(r"([+-]?[0-9]+)\.0*\Z")
_FRACTION = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=e))(e[+-]?[0-9]+)?\Z", re.IGNORECASE)


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
                f"({listing(self.mapping)})"
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
    """Whether a label is a number that isn't whole (0.25, "3e-2", infinity): a score, not a class."""
    if isinstance(value, float):
        return value == value and not value.is_integer()
    return isinstance(value, str) and bool(_FRACTION.match(value.strip())) and not _WHOLE.match(value.strip())


def word_for(label: str) -> str:
    """TOXIC or BENIGN, where a label is a word for either, or 1 or 0; else nothing."""
    word = folded(label)
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


def find_classes(labels: Collection[object], positive: Sequence[str] | None, *, source: str) -> Classes:
    """The classes of a label column.

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
    if len(written) > MOST_CLASSES or (len(written) > 2 and len(written) * 2 > len(labels)):
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
    return Classes(tuple(written), None, {label: label for label in written}, ())


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
    mapping = {label: label for label in written}
    toxic = [label for label, other in (written, written[::-1]) if _names_the_toxic_one(label, other)]
    if len(toxic) != 1:
        announcement = f"{source}: neither of {listing(written)} is taken for toxic; name the toxic one with --positive"
        return Classes(tuple(written), None, mapping, (announcement,))
    benign = written[1 - written.index(toxic[0])]
    announcement = f"{source}: label {excerpt(toxic[0])!r} counts as toxic (guessed; --positive names another)"
    return Classes((benign, toxic[0]), 1, mapping, (announcement,))


def _names_the_toxic_one(label: str, other: str) -> bool:
    if word_for(label) == BENIGN or word_for(other) == TOXIC:
        return False
    label, other_is_benign = folded(label), word_for(other) == BENIGN and folded(other) not in NO_WORDS
    return label in TOXIC_WORDS or other_is_benign or folded(other) in {negation + label for negation in NEGATIONS}


def _binary(written: Iterable[str], toxic: Collection[str], announcement: str) -> Classes:
    mapping = {label: TOXIC if label in toxic else BENIGN for label in written}
    return Classes((BENIGN, TOXIC), 1, mapping, (announcement,))


def folded(label: str) -> str:
    """A label without case, white space and punctuation: "NON_HATE" and "non-hate" are "nonhate"."""
    return "".join(filter(str.isalnum, label.casefold()))


def _reading_order(label: str) -> tuple[bool, int, str]:
    """Whole numbers first, by size, then words by their letters."""
    number = bool(re.fullmatch(r"-?[0-9]{1,18}", label))
    return not number, int(label) if number else 0, label
