"""Behaviour: what the models do on the suite and the probes, beside every metric."""

from collections.abc import Callable
from dataclasses import dataclass

from foreshot.reporting.tables import ModelRuns, count_text, percent_text, range_text, spread_text
from foreshot.reporting.texts import shortened
from foreshot.results.base import Estimate
from foreshot.results.behaviour import SuiteResult
from foreshot.results.models import Spread
from foreshot.results.results import Results

LONGEST_NAME = 24
LONGEST_BRIEF_NAME = 10
SCALED = "temperature-scaled on the validation rows"


@dataclass(frozen=True)
class Behaviour:
    """One number on what a model does, to stand beside its metrics: how it is called and where it is found.

    `of` is the number of probes that a count is of; None for a share of the suite.
    """

    title: str
    short: str
    find: Callable[[ModelRuns], Spread | None]
    form: Callable[[float], str]
    of: int | None = None

    def text(self, model: ModelRuns) -> str:
        """A model's number: "61%", "14/18", over several seeds "14.3/18 ± 0.6"."""
        return spread_text(self.find(model), self.form, of=self.of)

    def range(self, model: ModelRuns) -> str:
        """A model's least and greatest count over its seeds; of a share its interval."""
        return range_text(self.find(model), self.form)

    @property
    def limit(self) -> float:
        """The greatest value that it can have."""
        return 1.0 if self.of is None else float(self.of)


def behaviours(results: Results) -> list[Behaviour]:
    """What stands beside every metric: the suite's shares, then the counts of probes; none without either.

    Where models were mended, the share of the sealed cases is one of them.
    """
    return [*suite_shares(results), *sealed_shares(results)[:1], *probe_counts(results)]


def suite_shares(results: Results) -> list[Behaviour]:
    """The share right of the suite and, where a class is positive, of its cases of that class."""
    if not results.suite_results:
        return []
    shares = [Behaviour("suite right", "suite right", _of_suite(results, lambda found: found.accuracy), percent_text)]
    positive = results.data.positive
    if positive is not None and any(positive in found.by_label for found in results.suite_results):
        called = shortened(positive, LONGEST_NAME)
        shares.append(
            Behaviour(
                f"suite's {called} cases right",
                f"suite {_brief(positive)} right",
                _of_suite(results, lambda found: found.by_label.get(positive)),
                percent_text,
            )
        )
    return shares


def sealed_shares(results: Results) -> list[Behaviour]:
    """The same of the suite's sealed cases; none where no model was mended, or nothing is sealed."""
    if results.mending is None or not any(found.sealed for found in results.suite_results):
        return []
    positive = results.data.positive
    of_all = _of_suite(results, lambda found: found.sealed.accuracy if found.sealed else None)
    shares = [Behaviour("suite's sealed cases right", "sealed right", of_all, percent_text)]
    if positive is not None:
        of_side = _of_suite(results, lambda found: found.sealed.by_label.get(positive) if found.sealed else None)
        called = shortened(positive, LONGEST_NAME)
        shares.append(
            Behaviour(f"suite's sealed {called} cases right", f"sealed {_brief(positive)} right", of_side, percent_text)
        )
    return shares


def probe_counts(results: Results) -> list[Behaviour]:
    """How many probes are flagged: none without probes, one or two numbers with them.

    Where a class is positive, how many probes are flagged that must be and that must not; without one, how
    many get their label. Probes without labels are counted as flagged or not, all together.
    """
    positive = results.data.positive
    labelled = [probe for probe in results.probes if probe.label is not None]
    if not labelled:
        if not results.probes or positive is None:
            return []
        return [_count("probes flagged", "probes flagged", len(results.probes), _flagged_of_all(positive))]
    if positive is None:
        return [_count("probes right", "probes right", len(labelled), _summed_up("probes_right"))]
    must = sum(probe.label == positive for probe in labelled)
    names = [name for name in results.data.classes if name != positive]
    other = shortened(names[0], LONGEST_NAME) if len(names) == 1 else "other"
    called = shortened(positive, LONGEST_NAME)
    counts = [
        _count(
            f"{called} probes flagged",
            f"{_brief(positive)} probes flagged",
            must,
            _summed_up("probes_flagged"),
        ),
        _count(
            f"{other} probes flagged",
            f"{_brief(other)} probes flagged",
            len(labelled) - must,
            _summed_up("benign_probes_flagged"),
        ),
    ]
    return [count for count in counts if count.of]


def behaviour_text(results: Results, model: ModelRuns) -> str:
    """A model's counts in one line, to stand beside its metrics; empty without probes."""
    found = behaviours(results)
    if not found:
        return "answers to the probes: above" if results.probes else ""
    return ", ".join(f"{behaviour.title} {behaviour.text(model)}" for behaviour in found)


def _count(title: str, short: str, of: int, find: Callable[[ModelRuns], Spread | None]) -> Behaviour:
    return Behaviour(title, short, find, count_text, of)


def _of_suite(results: Results, find: Callable[[SuiteResult], Estimate | None]) -> Callable[[ModelRuns], Spread | None]:
    by_model = {found.model: find(found) for found in results.suite_results}

    def spread(model: ModelRuns) -> Spread | None:
        found = by_model.get(model.name)
        return (
            None if found is None else Spread(mean=found.value, deviation=None, minimum=found.low, maximum=found.high)
        )

    return spread


def _brief(name: str) -> str:
    return shortened(name, LONGEST_BRIEF_NAME)


def _summed_up(name: str) -> Callable[[ModelRuns], Spread | None]:
    return lambda model: model.summary.spreads.get(name)


def _flagged_of_all(positive: str) -> Callable[[ModelRuns], Spread | None]:
    return lambda model: model.over_seeds(lambda run: float(sum(answer.predicted == positive for answer in run.probes)))


def judged_label(results: Results) -> str | None:
    """The label that suite, probes and decisions judge, for a heading; None where a text has one label alone."""
    names = results.data.label_names
    return shortened(names[0], LONGEST_NAME) if names else None


def measure_title(results: Results, name: str, title: str) -> str:
    """What a measure's column is called: of a multi-label task it says whether it is a mean, or of the judged label."""
    judged = judged_label(results)
    if judged is None:
        return title
    if name in {"macro_f1", "mean_auroc"}:
        return f"{title}, mean over the labels"
    return f"{title} of {judged}" if name in {"accuracy", "mcc", "auroc", "average_precision"} else title


def judged_note(results: Results) -> str:
    """Which numbers of a table are of which label; empty where a text has one label alone."""
    judged, names = judged_label(results), results.data.label_names
    if judged is None or not names:
        return ""
    return (
        f"A text can have several of {len(names)} labels. Suite and probes judge {judged}, the first of them, and so "
        "do flips, evasion, thresholds and calibration below. Macro-F1 and cross-entropy (binary) are means over all "
        "the labels, and so the verdict looks at each of them on the test rows."
    )
