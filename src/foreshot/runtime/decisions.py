"""Decisions: how logits become probabilities and decisions, by the policy and the thresholds that a model has.

A score is the softmax probability of the positive class after the logits were divided by a temperature. A policy
says what the thresholds on it must keep to, as text: "argmax", "best-f1", "recall>=0.9", "fpr<=0.05" or
"review:recall>=0.95,fpr<=0.02". NumPy alone, since a deployed model decides by the same code as a judged one.
"""

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from foreshot.errors import ConfigError, ModelError
from foreshot.facts import Decision
from foreshot.rundir import write_atomically

DECISION_FILE = "decision.json"

SHARE = r"0?\.[0-9]+"
PROMISES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"recall>=(?P<recall>{SHARE})",
        rf"fpr<=(?P<fpr>{SHARE})",
        rf"review:recall>=(?P<recall>{SHARE}),fpr<=(?P<fpr>{SHARE})",
    )
)


@dataclass(frozen=True)
class Policy:
    """What thresholds must keep to: a recall of at least `recall`, a false positive rate of at most `fpr`, or both.

    With both, rows between the two thresholds are for review. With neither it is `best-f1` or `argmax`.
    """

    text: str
    recall: float | None = None
    fpr: float | None = None

    @property
    def has_review(self) -> bool:
        """Whether some rows are for a person to look at."""
        return self.recall is not None and self.fpr is not None


def parse_policy(text: str) -> Policy:
    """A policy from its text; white space doesn't count.

    Raises ConfigError for a text that is no policy, or a share that isn't between 0 and 1 (both excluded: no
    number of rows supports a promise of "all" or "none").
    """
    plain = "".join(text.split())
    if plain in {"argmax", "best-f1"}:
        return Policy(plain)
    for pattern in PROMISES:
        if found := pattern.fullmatch(plain):
            shares = {name: float(share) for name, share in found.groupdict().items()}
            if all(0 < share < 1 for share in shares.values()):
                return Policy(plain, **shares)
    raise ConfigError(
        f"decision {text!r} is not one of argmax, best-f1, recall>=R, fpr<=F and review:recall>=R,fpr<=F, "
        "with R and F between 0 and 1, such as recall>=0.9"
    )


def scaled_probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of logits (rows, classes) / temperature, in float64."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def route(decision: Decision, logits: np.ndarray, positive: int) -> np.ndarray:
    """What happens to each row of logits (rows, classes): "allow", "review" (a person looks) or "block", (rows,).

    Without a threshold, rows whose likeliest class is the positive one are blocked.
    """
    if decision.threshold is None:
        return np.where(logits.argmax(axis=1) == positive, "block", "allow")
    scores = scaled_probabilities(logits, decision.temperature)[:, positive]
    lowest = decision.threshold if decision.review_threshold is None else decision.review_threshold
    return np.select([scores >= decision.threshold, scores >= lowest], ["block", "review"], "allow")


def decide(decision: Decision, logits: np.ndarray, positive: int | None) -> np.ndarray:
    """Class numbers (rows,) that logits (rows, classes) are decided to be: the decision that metrics judge.

    With a threshold, rows to block and rows to review are both the positive class, since either is flagged: no
    such row goes through unseen. The rest are the likeliest of the other classes. Without one, the likeliest
    class. Raises ConfigError for a threshold and no positive class.
    """
    if decision.threshold is None:
        return logits.argmax(axis=1)
    if positive is None:
        raise ConfigError(f"decision {decision.policy!r} has a threshold, and the model no positive class for it")
    others = logits.astype(np.float64)
    others[:, positive] = -np.inf
    return np.where(route(decision, logits, positive) == "allow", others.argmax(axis=1), positive)


def save_decision(decision: Decision, folder: Path) -> None:
    """Write the decision into a model's folder; raises OSError when there is no room or no permission."""
    write_atomically(folder / DECISION_FILE, decision.model_dump_json(indent=1) + "\n")


def load_decision(folder: Path) -> Decision | None:
    """The decision in a model's folder, None where there is none; raises ModelError when the file is damaged."""
    path = folder / DECISION_FILE
    try:
        decision = Decision.model_validate_json(path.read_bytes())
        complaint = complaint_about(decision)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        complaint = " ".join([*map(str, first["loc"]), first["msg"]])
    if complaint:
        raise ModelError(f"{path}: is damaged ({complaint}); save the model again")
    return decision


def complaint_about(decision: Decision) -> str | None:
    """What is wrong with a decision that was read, or None."""
    try:
        policy = parse_policy(decision.policy)
    except ConfigError as error:
        return str(error)
    threshold, review_threshold = decision.threshold, decision.review_threshold
    if not 0 < decision.temperature < math.inf:
        return f"its temperature is {decision.temperature}"
    if (threshold is None) != (policy.text == "argmax") or (review_threshold is not None) != policy.has_review:
        return f"its thresholds are not those of {policy.text!r}"
    rising = [value for value in (0.0, review_threshold, threshold, 1.0) if value is not None]
    if not all(low <= high for low, high in pairwise(rising)):
        return f"its thresholds, {rising[1:-1]}, must rise between 0 and 1"
    return None
