"""What mending brought and what it cost: each mended model against its twin that wasn't mended."""

from typing import Literal

from foreshot.results.base import Estimate, Facts

SuitePart = Literal["whole", "open", "sealed"]


class Gain(Facts):
    """A number of a model without mending and of its mended twin, means over seeds, and mended minus unmended.

    The interval of `difference` is that of a paired bootstrap over rows, or over templates.
    """

    before: float
    after: float
    difference: Estimate


class PartGain(Facts):
    """The share right of a part of the suite: the mean of its sides, and each side by its class."""

    cases: int
    mean_of_sides: Gain
    by_label: dict[str, Gain]


class KindGain(Facts):
    """The share right of one functionality's cases: of its sealed ones, or of the open ones that lessons may aim at."""

    name: str
    label: str
    sealed: bool
    cases: int
    right: Gain


class EscapeGain(Facts):
    """What share of the texts that both twins flag escapes each of them once disguised (`judging.mending.escapes`).

    `trained` says whether models were mended with these disguises; `rows` counts the test rows that are disguised. Of
    the escapes `left` is the share that the mended twin still has, None where nothing escaped the other.
    """

    trained: bool
    disguises: list[str]
    rows: int
    escaped: Gain
    left: Estimate | None


class Twins(Facts):
    """A model and its mended twin; `metric` is that of the test rows.

    `parts` and `functionalities` are empty without a suite, `escapes` where nothing was disguised.
    """

    unmended: str
    mended: str
    metric: Gain
    parts: dict[SuitePart, PartGain]
    functionalities: list[KindGain]
    escapes: list[EscapeGain]


class Mended(Facts):
    """What was mended: for each mended student the teacher that it is held against, and every pair of twins.

    Of a mended teacher `references` has the teacher that wasn't mended.
    """

    references: dict[str, str]
    twins: list[Twins]
