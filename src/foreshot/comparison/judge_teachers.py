"""Judging teachers that were only asked: what each counts for, and on which test rows several differ."""

from collections.abc import Sequence

import numpy as np

from foreshot.comparison.inputs import Inputs
from foreshot.comparison.scored import Scored
from foreshot.judging.teachers import disagreement, probabilities_of, rank_correlation, variances
from foreshot.results.teachers import AskedTeachers, ContestedRow, Disagreement, TeacherFacts

MOST_CONTESTED = 20
"""Test rows on which the teachers differ most, as results.json and the report have them."""


def asked_teachers(inputs: Inputs, scored: Sequence[Scored]) -> AskedTeachers | None:
    """What is known of teachers that were only asked; None where the teacher is a model of the run's own."""
    asked = [model for model in scored if model.job.asked and not model.job.is_baseline]
    if not asked:
        return None
    mean = next((model for model in scored if model.job.mean_of), None)
    weights = mean.job.weights if mean else (1.0,)
    given = inputs.experiment.teachers
    return AskedTeachers(
        teachers=[
            TeacherFacts(model=model.name, name=model.job.asked.name, kind=model.job.asked.facts.kind, weight=weight)
            for model, weight in zip(asked, weights, strict=True)
            if model.job.asked
        ],
        weighing=given.weights if isinstance(given.weights, str) else "given",
        strength=given.disagreement,
        disagreement=_disagreement(inputs, asked, mean) if mean else None,
    )


def _disagreement(inputs: Inputs, each: Sequence[Scored], mean: Scored) -> Disagreement:
    """How far the teachers differ on the test rows, and whether the mean errs where they do."""
    task, several = inputs.task, inputs.task.multi_label
    probabilities = np.stack([probabilities_of(model.scores.logits["test"], several=several) for model in each])
    by_output = variances(probabilities, np.array(mean.job.weights))
    of_rows = disagreement(by_output, several=several, positive=task.judged_output).mean(axis=1)
    wrong = task.decided(mean.decisions, mean.scores.logits["test"]) != inputs.answers("test")
    most = np.argsort(-of_rows, kind="stable")[:MOST_CONTESTED]
    return Disagreement(
        mean=float(of_rows.mean()),
        by_output=dict(zip(task.names, by_output.mean(axis=0).tolist(), strict=True)),
        correlation=rank_correlation(of_rows, wrong.reshape(len(wrong), -1).mean(axis=1)),
        rows=[_contested(inputs, int(row), probabilities, by_output, mean) for row in most if of_rows[row] > 0],
    )


def _contested(
    inputs: Inputs, row: int, probabilities: np.ndarray, by_output: np.ndarray, mean: Scored
) -> ContestedRow:
    """A row, and the output that it is about: the class that counts as toxic, or the one on which they differ most."""
    task, test = inputs.task, inputs.split.parts["test"]
    judged = None if task.multi_label else task.judged_output
    output = int(by_output[row].argmax()) if judged is None else judged
    of_mean = probabilities_of(mean.scores.logits["test"][row], several=task.multi_label)
    answers = np.atleast_1d(inputs.answers("test")[row])
    labels = [name for name, has in zip(task.names, answers, strict=True) if has] if task.multi_label else None
    return ContestedRow(
        row=test.rows[row],
        text=test.texts[row],
        labels=[task.names[int(answers[0])]] if labels is None else labels,
        output=task.names[output],
        probabilities=probabilities[:, row, output].tolist(),
        mean=float(of_mean[output]),
        variance=float(by_output[row, output]),
    )
