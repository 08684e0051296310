"""Judging on corrections: how many of those that nothing learnt from each model gets right."""

from collections.abc import Mapping, Sequence

import numpy as np

from foreshot.comparison.inputs import Inputs
from foreshot.comparison.scored import Scored
from foreshot.data.correcting import HELD_OUT, Corrected
from foreshot.judging.shares import wilson
from foreshot.results.corrections import CorrectionResult, Corrections, CorrectionShare

BEFORE = "before"


def corrections(inputs: Inputs, everyone: Mapping[str, Sequence[Scored]]) -> Corrections | None:
    """What corrections did, and every model on those that were held out; None where there are none."""
    found = inputs.corrections
    if found is None:
        return None
    read, tried = found.corrections, HELD_OUT in inputs.split.parts
    results = [_result(name, models, inputs) for name, models in everyone.items()] if tried else []
    return Corrections(
        source=read.source,
        read=read.read,
        texts=len(read.found),
        of_part=found.of_part,
        added=found.added,
        overruled=found.overruled,
        learnt=found.learnt,
        held_out=found.held_out,
        contradicted=read.contradicted,
        left_out={**read.left_out, **found.left_out},
        weight=inputs.experiment.corrections.weight,
        before=_before(found, inputs) if tried else None,
        models=[result for result in results if result is not None],
    )


def is_right(decided: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Whether all is right that is known, and was said, of a row: (…, rows) of (…, rows) or (…, rows, outputs).

    NaN is what isn't known or wasn't said; of a row of which that is all it is not right.
    """
    silent = np.isnan(decided) | np.isnan(answers)
    equal = (decided == answers) | silent
    several = answers.ndim == 2
    return (equal.all(axis=-1) & ~silent.all(axis=-1)) if several else equal & ~silent


def shares(model: str, right: np.ndarray, classes: np.ndarray, names: Sequence[str]) -> CorrectionResult:
    """The share right of all rows, and of each class: `right` (seeds, rows), `classes` (rows,) class numbers."""
    by_class = {name: right[:, classes == number] for number, name in enumerate(names)}
    return CorrectionResult(
        model=model,
        all=_share(right),
        by_class={name: _share(of_class) for name, of_class in by_class.items() if of_class.size},
    )


def _result(name: str, models: Sequence[Scored], inputs: Inputs) -> CorrectionResult | None:
    """A model on the held-out corrections that it says something about; None where it says nothing at all."""
    task, answers = inputs.task, _answers(inputs)
    logits = [model.scores.logits[HELD_OUT] for model in models if HELD_OUT in model.scores.logits]
    known = ~np.isnan(logits[0]).any(axis=1) if logits else np.zeros(len(answers), dtype=bool)
    if not known.any():
        return None
    decided = np.stack(
        [task.decided(model.decisions, of[known]).astype(float) for model, of in zip(models, logits, strict=True)]
    )
    return shares(name, is_right(decided, answers[known]), _classes(inputs)[known], inputs.class_names)


def _before(found: Corrected, inputs: Inputs) -> CorrectionResult | None:
    """What had been said of the held-out corrections when they were made; None where nobody knows."""
    known = np.array([said is not None for said in found.said])
    if not known.any():
        return None
    said = np.array([values for values in found.said if values is not None], dtype=float)
    answers = _answers(inputs)[known]
    right = is_right(said if answers.ndim == 2 else said[:, 0], answers)
    return shares(BEFORE, right[None], _classes(inputs)[known], inputs.class_names)


def _answers(inputs: Inputs) -> np.ndarray:
    """What is right, as decisions, (rows,) or (rows, outputs); NaN where it isn't known."""
    answers = inputs.answers(HELD_OUT).astype(float)
    return np.where(np.isnan(answers), np.nan, inputs.task.flagged(answers))


def _classes(inputs: Inputs) -> np.ndarray:
    return np.array(inputs.split.parts[HELD_OUT].labels)


def _share(right: np.ndarray) -> CorrectionShare:
    return CorrectionShare(rows=right.shape[1], right=wilson(float(right.mean(axis=0).sum()), right.shape[1]))
