"""Parity: whether an exported graph decides as the model does that it was made from; arrays alone.

Of a multi-label model a row's decision is that on all its labels, and the suite is judged by the judged label's view.
"""

import math
from collections.abc import Sequence

import numpy as np

from foreshot.judging.shares import rows_by_functionality
from foreshot.results.behaviour import Case
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.bundle import Parity
from foreshot.runtime.decisions import decide, label_logits, route, scores_of, view_of

FP32_DIFFERENCE = 1e-4  # of a probability
INT8_DECISIONS_EQUAL = 0.995
INT8_SUITE_DROP = 0.005  # of all cases' share right
INT8_FUNCTIONALITY_DROP = 0.05  # of any functionality's
ROUNDING = 1e-9
NO_NUMBER = "a probability is no number"
REVIEW = -1


def parity(
    model: np.ndarray,
    graph: np.ndarray,
    decision: Decision | LabelDecisions,
    positive: int | None,
    *,
    source: str,
    cases: Sequence[Case] = (),
    class_names: Sequence[str] = (),
) -> Parity:
    """Compare logits (rows, classes or labels) of the model and of a graph; the last rows are the suite's `cases`.

    `source` says what the other rows are; `class_names` are those of the cases' labels.
    """
    probabilities = [scores_of(decision, logits) for logits in (model, graph)]
    found = Parity(
        rows=len(model),
        source=source,
        largest_difference=float(np.abs(probabilities[0] - probabilities[1]).max()),
        decisions_equal=(len(model) - len(flipped(model, graph, decision, positive))) / len(model),
    )
    if not cases:
        return found
    labels = np.array([class_names.index(case.label) for case in cases])
    right_before, right_after = (
        decide(*view_of(decision, logits[-len(cases) :], positive)) == labels for logits in (model, graph)
    )
    changes = {
        f"{name} ({label})": float(right_after[rows].mean() - right_before[rows].mean())
        for (name, label), rows in rows_by_functionality(cases).items()
    }
    worst = min(changes, key=changes.__getitem__)
    return found.model_copy(
        update={
            "suite_cases": len(cases),
            "suite_change": float(right_after.mean() - right_before.mean()),
            "worst_functionality": (worst, changes[worst]),
        }
    )


def fp32_complaint(found: Parity) -> str | None:
    """Why a graph in 32 bits may not be shipped, or None."""
    if math.isnan(found.largest_difference):
        return NO_NUMBER
    if found.largest_difference > FP32_DIFFERENCE:
        return f"a probability differs by {found.largest_difference:.1e}, more than {FP32_DIFFERENCE:.0e}"
    if found.decisions_equal < 1:
        return f"{_unequal(found)} differ, and none may"
    return None


def int8_complaint(found: Parity) -> str | None:
    """Why a graph in 8 bits may not be shipped, or None."""
    if math.isnan(found.largest_difference):
        return NO_NUMBER
    if found.decisions_equal < INT8_DECISIONS_EQUAL:
        return f"{_unequal(found)} differ, {1 - found.decisions_equal:.2%}; {1 - INT8_DECISIONS_EQUAL:.1%} may"
    if found.suite_change is not None and found.suite_change < -INT8_SUITE_DROP - ROUNDING:
        return f"the suite's share right falls by {-found.suite_change:.1%}; {INT8_SUITE_DROP:.1%} may"
    if found.worst_functionality is not None and found.worst_functionality[1] < -INT8_FUNCTIONALITY_DROP - ROUNDING:
        name, change = found.worst_functionality
        return f"the share right of {name} falls by {-change:.1%}; {INT8_FUNCTIONALITY_DROP:.0%} may"
    return None


def flipped(
    model: np.ndarray, graph: np.ndarray, decision: Decision | LabelDecisions, positive: int | None
) -> np.ndarray:
    """Numbers of the rows of logits (rows, classes or labels) that the graph decides otherwise."""
    before, after = (_outcomes(decision, logits, positive) for logits in (model, graph))
    return np.flatnonzero((before != after).any(axis=1))


def _outcomes(decision: Decision | LabelDecisions, logits: np.ndarray, positive: int | None) -> np.ndarray:
    """What is decided on each row of logits: on its class, (rows, 1), or on each of its labels, (rows, labels)."""
    if isinstance(decision, LabelDecisions):
        of_labels = enumerate(decision.by_label.values())
        columns = [_outcomes(of_label, label_logits(logits, index), 1) for index, of_label in of_labels]
        return np.concatenate(columns, axis=1)
    decided = decide(decision, logits, positive)
    if positive is not None:
        decided = np.where(route(decision, logits, positive) == "review", REVIEW, decided)
    return decided[:, np.newaxis]


def _unequal(found: Parity) -> str:
    return f"{round((1 - found.decisions_equal) * found.rows)} of {found.rows:,} decisions"
