"""Scores of texts that mention a group of people, against the others."""

from foreshot.results.base import Estimate, Facts


class IdentityGroup(Facts):
    """An identity group: the test rows that mention it, by label.

    `too_few` has the AUCs of it that are not known, with the rows that are too few: "3 negative mentioning it".
    """

    name: str
    positive: int
    negative: int
    too_few: dict[str, list[str]]  # by AUC (`judging.identity_bias.AUCS`)


class ComparedScore(Facts):
    """A number of a model, the mean over its seeds, and the change from the teacher.

    Intervals are a paired bootstrap's over rows or texts, that of the change over seeds too where there are several;
    `adjusted_p`, of the change, is Holm's over all numbers of its kind. Both are None for the teacher.
    """

    value: Estimate
    minus_teacher: Estimate | None = None
    adjusted_p: float | None = None


class ModelBias(Facts):
    """How well a model ranks test rows that mention identity groups (Borkan et al. 2019).

    `groups` has the AUCs of each group by name, but for those with too few rows; `means` their power means over the
    groups; `final` is the mean of these and the AUC of all rows, None where one of them is not known.
    """

    model: str
    overall: ComparedScore
    groups: dict[str, dict[str, ComparedScore]]
    means: dict[str, ComparedScore]
    final: ComparedScore | None


class IdentityBias(Facts):
    """What was found about identity groups; `source` names the table or file that says who is mentioned."""

    source: str
    groups: list[IdentityGroup]
    models: list[ModelBias]
