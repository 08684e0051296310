"""What is known of teachers that are only asked: what each is, what it counts for, and where several differ."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from foreshot.files.bounded import read_small
from foreshot.results.base import Facts

ASKED_FILE = "asked.json"
"""Stands in the folder of a teacher that is no Hugging Face model, in its place."""
CLASSIFIER, BUNDLE, MEAN, STORED = "a classifier", "a bundle", "a mean", "stored scores"


class AskedFacts(Facts):
    """A teacher that was asked where it is: of what `kind`, what it is called, and where it, or what it is of, stands.

    `kind` is BUNDLE, MEAN, or any other in words that follow "is"; `places` are folders, of a mean each teacher's.
    """

    kind: str
    name: str
    places: list[str]
    fingerprint: str
    weights: list[float] | None = None

    @property
    def remedy(self) -> str:
        """What to name instead of this folder, which holds no model."""
        where = " or ".join(self.places)
        if self.kind == BUNDLE:
            return f"is the bundle {where}, which was asked where it is; name or copy that: it is a bundle already"
        if self.kind == MEAN:
            return f"is the mean of several teachers, which is no model of its own; name one of them: {where}"
        return f"is {self.kind} ({self.name}), which is no model"


def asked_facts(folder: Path) -> AskedFacts | None:
    """What a teacher's folder says of one that was only asked; None where it says nothing, or nothing that is read."""
    try:
        return AskedFacts.model_validate_json(read_small(folder / ASKED_FILE))
    except (OSError, ValidationError):
        return None


class TeacherFacts(Facts):
    """One teacher: what the run calls it, its own name, of what kind it is, and its share of the mean."""

    model: str
    name: str
    kind: str
    weight: float


class ContestedRow(Facts):
    """A test row on which the teachers differ: on `output`, a class or a label, of which each gives a probability."""

    row: int
    text: str
    labels: list[str]
    output: str
    probabilities: list[float]
    mean: float
    variance: float


class Disagreement(Facts):
    """How far several teachers differ on the test rows.

    `by_output` has the mean variance of each output's probability; `correlation` is Spearman's of a row's disagreement
    with whether the mean errs there; `rows` those on which they differ most.
    """

    mean: float
    by_output: dict[str, float]
    correlation: float | None
    rows: list[ContestedRow]


class AskedTeachers(Facts):
    """The teachers that were only asked, in their order; `disagreement` is None of a single one.

    `weighing` says where the weights are from; `strength` is the setting teachers.disagreement.
    """

    teachers: list[TeacherFacts]
    weighing: Literal["equal", "fitted", "given"]
    strength: float
    disagreement: Disagreement | None = None
