"""What corrections did to the data, and how many of those that nothing learnt from each model gets right."""

from pydantic import Field

from foreshot.results.base import Estimate, Facts


class CorrectionShare(Facts):
    """How many of some held-out corrections are right, and of how many it is known."""

    rows: int
    right: Estimate


class CorrectionResult(Facts):
    """A model on the held-out corrections: those that it said something about, all of them and by class.

    Right is a text on which the class is, or every label; with stored scores, every side of a threshold. Shares are
    means over the seeds with Wilson's interval for the number of rows.
    """

    model: str
    all: CorrectionShare
    by_class: dict[str, CorrectionShare]


class Corrections(Facts):
    """Corrections of one source: `read` of them, of `texts`; how many were of rows of each part, or of `added` texts.

    `overruled` rows have another answer now; `learnt` are the training rows that count `weight` times; `held_out` of
    those that could be learnt are not, and with those of test rows models are tried on them. `before` is what had been
    said of the texts when they were corrected, where the source tells.
    """

    source: str
    read: int
    texts: int
    of_part: dict[str, int]
    added: int
    overruled: int
    learnt: int
    held_out: int
    contradicted: int
    left_out: dict[str, int]
    weight: float
    before: CorrectionResult | None = None
    models: list[CorrectionResult] = Field(default_factory=list)  # the teacher first; none where none is held out
