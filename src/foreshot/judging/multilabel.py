"""Several labels: how a model does on each, from logits and marks alone, both (rows, labels).

Each label is a question with two classes: a label's column of logits with zeros beside it (`label_logits`) is what a
classifier of two classes would give, so that all that judges one of those judges a label.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from foreshot.errors import DataError
from foreshot.judging.calibration import calibration
from foreshot.judging.evidence import Change
from foreshot.judging.statistics import PairedSample, differences, holm, macro_f1
from foreshot.judging.thresholds import fit_decision
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.results.models import LabelResult
from foreshot.runtime.decisions import flagged_labels, label_logits, label_probabilities, scaled_probabilities


def binary_cross_entropy(logits: np.ndarray, marks: np.ndarray) -> float:
    """Mean binary cross-entropy, in nats, of logits against marks or scores, over all rows and labels but gaps, NaN."""
    exact, known = logits.astype(np.float64), ~np.isnan(marks)
    with np.errstate(invalid="ignore"):  # a training that blew up has no loss
        return float(np.mean((np.logaddexp(0.0, exact) - marks * exact)[known]))


def label_aurocs(logits: np.ndarray, marks: np.ndarray) -> list[float | None]:
    """The AUROC of every label; None where no row has it, or each: then there is nothing to rank."""
    return [
        float(roc_auc_score(marks[:, index], logits[:, index])) if _differ(marks[:, index]) else None
        for index in range(marks.shape[1])
    ]


def fit_label_decisions(policy: str, logits: np.ndarray, marks: np.ndarray, names: Sequence[str]) -> LabelDecisions:
    """A decision for every label, fitted on its own view of validation rows; the first of `names` is the judged one.

    A label that too few rows have for the policy gets argmax, which is a probability of one half.
    """
    return LabelDecisions(
        judged=names[0],
        by_label={name: _fit(policy, label_logits(logits, index), marks[:, index]) for index, name in enumerate(names)},
    )


def _fit(policy: str, logits: np.ndarray, labels: np.ndarray) -> Decision:
    try:
        return fit_decision(policy, logits, labels, 1)
    except DataError:
        return fit_decision("argmax", logits, labels, 1)


def label_results(decisions: LabelDecisions, logits: np.ndarray, marks: np.ndarray) -> list[LabelResult]:
    """How a model does on every label, in the order of the logits, on test rows; by scikit-learn."""
    flagged = flagged_labels(logits, decisions).astype(int)
    scaled = label_probabilities(logits, decisions)
    precision, recall, f1, support = _of_having(marks, flagged)
    macro_f1s = label_macro_f1s(flagged, marks)
    found = []
    for index, ((name, decision), auroc) in enumerate(
        zip(decisions.by_label.items(), label_aurocs(logits, marks), strict=True)
    ):
        truth = marks[:, index]
        found.append(
            LabelResult(
                name=name,
                support=int(support[index]),
                auroc=auroc,
                average_precision=None if auroc is None else float(average_precision_score(truth, logits[:, index])),
                precision=float(precision[index]),
                recall=float(recall[index]),
                f1=float(f1[index]),
                macro_f1=macro_f1s[index],
                decision=decision,
                calibration=calibration(scaled_probabilities(label_logits(logits, index), 1.0), truth),
                calibration_after_scaling=calibration(
                    np.stack([1 - scaled[:, index], scaled[:, index]], axis=1), truth
                ),
            )
        )
    return found


def label_macro_f1s(flagged: np.ndarray, marks: np.ndarray) -> list[float]:
    """Each label's macro-F1: the mean F1 of having it and of not having it."""
    with_label, without_it = _of_having(marks, flagged)[2], _of_having(1 - marks, 1 - flagged)[2]
    return [float(number) for number in (with_label + without_it) / 2]


def _of_having(marks: np.ndarray, flagged: np.ndarray) -> np.ndarray:
    """Precision, recall, F1 and support of every label, (4, labels)."""
    of_each = [
        precision_recall_fscore_support(truth, said, labels=[1], average=None, zero_division=0.0)
        for truth, said in zip(marks.T, flagged.T, strict=True)  # a matrix of one label would be taken for two classes
    ]
    return np.array(of_each)[:, :, 0].T


def mean_macro_f1(flagged: np.ndarray, marks: np.ndarray) -> float:
    """The mean over the labels of their macro-F1."""
    return float(np.mean(label_macro_f1s(flagged, marks)))


def label_sample(flagged: Mapping[str, np.ndarray], marks: np.ndarray, known: np.ndarray | None = None) -> PairedSample:
    """What multi-label models are compared in on the same rows: the mean over the labels of their macro-F1.

    `flagged[model]` has shape (seeds, rows, labels); of `known` (rows, labels), where it is given, the others are left
    out. Each row and label is a row of the sample, in two classes of that
    label's own; a row's labels are drawn together.
    """
    rows, labels = marks.shape
    first_class = 2 * np.arange(labels)
    sample = PairedSample.make(
        {model: (first_class + decided).reshape(len(decided), -1) for model, decided in flagged.items()},
        (first_class + marks).ravel(),
        _macro_f1_over_labels,
        classes=2,
        units=np.repeat(np.arange(rows), labels),
        tables=labels,
    )
    return sample if known is None else sample.of_rows(known.ravel())


def _macro_f1_over_labels(counts: np.ndarray) -> np.ndarray:
    """Confusion counts (..., labels × 2, 2), a table below another, to the mean of the tables' macro-F1, (...)."""
    return np.asarray(macro_f1(counts.reshape(*counts.shape[:-2], -1, 2, 2)).mean(axis=-1))


def label_changes(
    flagged: Mapping[str, np.ndarray],
    marks: np.ndarray,
    names: Sequence[str],
    *,
    teacher: str,
    known: np.ndarray | None = None,
) -> dict[str, list[Change]]:
    """For each student how every label's macro-F1 differs from the teacher's; else as in `label_sample`."""
    students = [model for model in flagged if model != teacher]
    known = np.ones(marks.shape, dtype=bool) if known is None else known
    by_label = [
        differences(
            PairedSample.make(
                {model: of[:, known[:, index], index] for model, of in flagged.items()},
                marks[known[:, index], index],
                macro_f1,
                classes=2,
            ),
            [(student, teacher) for student in students],
        )
        for index in range(len(names))
    ]
    found = {}
    for place, student in enumerate(students):
        adjusted = holm([of_label[place][1] for of_label in by_label])
        found[student] = [
            Change(
                name=name,
                rows=int(marks[known[:, index], index].sum()),
                difference=by_label[index][place][0],
                adjusted_p=p_value,
            )
            for index, (name, p_value) in enumerate(zip(names, adjusted, strict=True))
        ]
    return found


def _differ(marks: np.ndarray) -> bool:
    return len(np.unique(marks)) > 1
