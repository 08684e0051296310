"""Log-odds: how sure a model is, from its logits, so that texts differ even where probabilities are all but 0 or 1."""

from dataclasses import dataclass

import numpy as np

from foreshot.results.decisions import Decision, LabelDecisions

SATURATED_FROM = 0.999
"""A probability beyond it, or below 1 minus it, hardly shows what a word does: log-odds of ±1 move it by 0.002."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The log-odds that are explained: log p − log(1 − p), p the probability of class or label number `index`.

    With `multi_label` p is the sigmoid of the label's own logit, else its share of the softmax; `negated` makes it
    that of "not X". Logits are divided by `temperature` first, as a `results.decisions.Decision` has it.
    """

    index: int
    multi_label: bool = False
    negated: bool = False
    temperature: float = 1.0

    def log_odds(self, logits: np.ndarray) -> np.ndarray:
        """In nats, float64: logits (rows, labels) → (rows,)."""
        scaled = np.asarray(logits, dtype=np.float64) / self.temperature
        found = scaled[:, self.index]
        if not self.multi_label:
            found = found - np.logaddexp.reduce(np.delete(scaled, self.index, axis=1), axis=1)
        return -found if self.negated else found


def target_of(decision: Decision | LabelDecisions, index: int, *, negated: bool = False) -> Target:
    """The log-odds of class or label number `index`, by a model's own temperatures."""
    several = isinstance(decision, LabelDecisions)
    own = list(decision.by_label.values())[index] if isinstance(decision, LabelDecisions) else decision
    return Target(index=index, multi_label=several, negated=negated, temperature=own.temperature)


def probabilities_of(log_odds: np.ndarray) -> np.ndarray:
    """The probabilities that have these log-odds, of the same shape."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -log_odds)))


def is_saturated(probability: float) -> bool:
    """Whether a probability is so near 0 or 1 that it hardly shows what a word does."""
    return not 1 - SATURATED_FROM <= probability <= SATURATED_FROM
