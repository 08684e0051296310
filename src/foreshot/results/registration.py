"""What a comparison was said to be judged by before anything was trained."""

from foreshot.results.base import Facts


class Registration(Facts):
    """Margins, suite, decision, recipes and seeds, as `registration.json` in the run's folder holds them.

    `experiment` is the fingerprint of all settings that change what is judged, `suite` that of the suite's cases.
    `after_training` says that models were there already when it was written.
    """

    at: str
    after_training: bool
    experiment: str
    suite: str | None
    margins: dict[str, float]
    decision: str
    recipes: list[str]
    seeds: list[int]
