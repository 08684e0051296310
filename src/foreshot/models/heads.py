"""Heads: what a ready classifier's logits mean – which labels, one of them or several – and whose they are in the data.

A head is read from what config.json says; where that leaves two readings, the user is asked, never a softmax guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from foreshot.data.labels import BENIGN, NO_WORDS, TOXIC, YES_WORDS, Classes, folded, several_kinds, word_for
from foreshot.data.marks import classes_of_mark
from foreshot.data.texts import excerpt, listing
from foreshot.errors import ConfigError, ModelError

MULTI_LABEL: Final = "multi_label_classification"
SINGLE_LABEL: Final = "single_label_classification"
REGRESSION: Final = "regression"
"""What config.json calls the problem of a model whose logits are labels that a text can have several of, or one of, or
numbers."""
PROBLEM_TYPES = {"single-label": SINGLE_LABEL, "multi-label": MULTI_LABEL}
"""What a user calls them."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a classifier's logits mean: `labels` in their order, of which with `multi_label` a text can have several.

    `rows` says for each which of the logits in the model's file it is; None is a logit that is always 0.
    `announcements` tell what was guessed.
    """

    labels: tuple[str, ...]
    multi_label: bool
    rows: tuple[int | None, ...]
    announcements: tuple[str, ...] = ()


def read_head(labels: Sequence[str], problem_type: str | None, *, source: str) -> Head:
    """The head of a classifier whose config.json, or the user, says this.

    One logit z is a classifier of two classes, whose logits are 0 and z: their softmax is z's sigmoid. Raises
    ModelError where no label can be read from the logits, ConfigError where it must be said how.
    """
    if problem_type == REGRESSION:
        raise ModelError(
            f"{source}: its problem_type is {REGRESSION}: its logits are numbers that were learnt, not log-odds; if a "
            "sigmoid or a softmax makes probabilities of them, say so with ⟨problem_type⟩ single-label or multi-label"
        )
    if problem_type not in (None, SINGLE_LABEL, MULTI_LABEL):
        raise ModelError(f"{source}: its problem_type is {excerpt(problem_type)}; give a classifier of whole texts")
    if not labels or len(set(labels)) < len(labels):
        what = "two of its labels have the same name; rename them" if labels else "it names no label; name them"
        raise ModelError(f"{source}: {what} in its config.json (id2label)")
    head = Head(labels=tuple(labels), multi_label=problem_type == MULTI_LABEL, rows=tuple(range(len(labels))))
    if len(labels) == 1 and not head.multi_label:
        told = f"{source}: its one logit is taken for the log-odds of {excerpt(labels[0])!r}"
        return replace(_of_two_classes(head), announcements=(told,))
    if problem_type is None and several_kinds(labels):
        raise ConfigError(
            f"{source}: its config.json has no problem_type, and its labels ({listing(labels)}) look like ones that a "
            "text can have several of; say ⟨problem_type⟩ multi-label, or single-label if it has exactly one"
        )
    if problem_type is None and len(labels) > 2:
        told = (
            f"{source}: a text is taken to have one of its {len(labels)} labels, since its config.json has no "
            "problem_type (--problem-type multi-label if it can have several)"
        )
        return replace(head, announcements=(told,))
    return head


def _of_two_classes(head: Head) -> Head:
    """One label as two classes: not to have it, whose logit is 0, and to have it."""
    return replace(head, labels=classes_of_mark(head.labels[0]).names, multi_label=False, rows=(None, *head.rows))


def match_head(
    head: Head, names: Sequence[str], classes: Classes, *, multi_label: bool, given: Mapping[str, str], source: str
) -> Head:
    """The same head with the logits of the data's classes or labels, `names`, in their order.

    `given` leads from what the data calls a class to the head's label. What it leaves out is matched by name, and of
    `classes` by elimination or by which is the toxic one; of several labels those that the data hasn't are left out.
    Raises ConfigError or ModelError where that is not enough.
    """
    if len(head.labels) == 1 and not multi_label:
        head = _of_two_classes(head)
    chosen = _given_labels(head, names, classes, given, source=source)
    if head.multi_label and not multi_label:
        return _one_of_several(head, names, chosen, source=source)
    if multi_label and not head.multi_label:
        raise ModelError(
            f"{source}: gives a text one of its labels ({listing(head.labels)}), the data (⟨labels⟩) can have several"
        )
    if len(head.labels) < len(names) or (len(head.labels) > len(names) and not multi_label):
        what = "labels" if multi_label else "classes"
        raise ModelError(
            f"{source}: has {len(head.labels)} {what} ({listing(head.labels)}), the data {len(names)} "
            f"({listing(names)}); name another teacher, or fine-tune one from ⟨encoder⟩"
        )
    label_of = _by_name(head, names, chosen)
    if not multi_label:
        _by_elimination(head, names, classes, label_of)
    if missing := [name for name in names if name not in label_of]:
        raise ConfigError(
            f"{source}: its labels are {listing(head.labels)}, the data's {listing(names)}; say which is which with "
            f"⟨teacher_labels⟩, such as {missing[-1]}={head.labels[-1]}"
        )
    rows = tuple(head.rows[head.labels.index(label_of[name])] for name in names)
    matched = replace(head, labels=tuple(names), rows=rows)
    if label_of == chosen or head.labels == matched.labels:
        return matched
    pairs = ", ".join(f"{excerpt(label)!r} is taken for {excerpt(name)}" for name, label in label_of.items())
    left_out = [label for label in head.labels if label not in label_of.values()]
    unused = f", and {listing(left_out)} left out" if left_out else ""
    told = f"{source}: of its labels {pairs}{unused} (--teacher-labels says otherwise)"
    return replace(matched, announcements=(*head.announcements, told))


def _given_labels(
    head: Head, names: Sequence[str], classes: Classes, given: Mapping[str, str], *, source: str
) -> dict[str, str]:
    """The user's mapping, by the names of classes, in their order."""
    chosen: dict[str, str] = {}
    for written, wanted in given.items():
        name = written if written in names else classes.mapping.get(written, "")
        if name not in names:
            raise ConfigError(
                f"⟨teacher_labels⟩: {excerpt(written)!r} is none of the data's labels ({listing(names)}); write the "
                "data's label, =, and the teacher's"
            )
        label = label_of_name(wanted, head.labels)
        if label is None:
            raise ConfigError(
                f"⟨teacher_labels⟩: {excerpt(wanted)!r} is no label of {source}; its labels are {listing(head.labels)}"
            )
        for other, taken in chosen.items():
            if other == name or taken == label:
                both = f"{excerpt(name)} two labels" if other == name else f"{excerpt(label)!r} to {other} and {name}"
                raise ConfigError(f"⟨teacher_labels⟩: gives {both}; each of the data's labels needs one of its own")
        chosen[name] = label
    return {name: chosen[name] for name in names if name in chosen}


def _one_of_several(head: Head, names: Sequence[str], chosen: Mapping[str, str], *, source: str) -> Head:
    """Two classes from the one label of several that was named: to have it, or not."""
    if len(names) != 2 or len(chosen) != 1:
        raise ConfigError(
            f"{source}: a text can have several of its labels ({listing(head.labels)}), and one of the data's classes "
            f"({listing(names)}); of two classes, name the label of one with ⟨teacher_labels⟩: "
            f"{names[-1]}={head.labels[0]}"
        )
    rows = tuple(head.rows[head.labels.index(chosen[name])] if name in chosen else None for name in names)
    return replace(head, labels=tuple(names), rows=rows, multi_label=False)


def _by_name(head: Head, names: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """The label of each of the data's names that has one; labels without names of their own are taken in order."""
    if not chosen and len(head.labels) == len(names) and _unnamed(head.labels):
        return dict(zip(names, head.labels, strict=True))
    left = [label for label in head.labels if label not in chosen.values()]
    found = {name: chosen.get(name) or label_of_name(name, left) for name in names}
    return {name: label for name, label in found.items() if label is not None}


def _by_elimination(head: Head, names: Sequence[str], classes: Classes, label_of: dict[str, str]) -> None:
    """Add the last class that is left, or of two the toxic and the benign one, unless their names contradict that."""
    missing = [name for name in names if name not in label_of]
    left = [label for label in head.labels if label not in label_of.values()]
    if len(missing) == 2 == len(names) and classes.positive is not None:
        sides = ["" if folded(label) in YES_WORDS | NO_WORDS else word_for(label) for label in left]
        if TOXIC in sides and sides.count(TOXIC) == 1:
            toxic = sides.index(TOXIC)
        elif BENIGN in sides and sides.count(BENIGN) == 1:
            toxic = 1 - sides.index(BENIGN)
        else:
            return
        label_of |= {names[classes.positive]: left[toxic], names[1 - classes.positive]: left[1 - toxic]}
    elif len(missing) == 1 and len(left) == 1 and {word_for(missing[0]), word_for(left[0])} != {TOXIC, BENIGN}:
        label_of[missing[0]] = left[0]


def label_of_name(name: str, labels: Sequence[str]) -> str | None:
    """The label of a name or, if there is one alone, the label that differs from it in case and punctuation."""
    if name in labels:
        return name
    alike = [label for label in labels if folded(label) == folded(name)]
    return alike[0] if len(alike) == 1 else None


def _unnamed(labels: Sequence[str]) -> bool:
    return list(labels) in ([f"{start}{index}" for index in range(len(labels))] for start in ("LABEL_", ""))
