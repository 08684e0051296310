"""Decisions: how logits become probabilities and decisions, by the policy and the thresholds that a model has.

A score is the softmax probability of the positive class after the logits were divided by a temperature. A policy
says what the thresholds on it must keep to, as text: "argmax", "best-f1", "flag-rate", "score>=0.7", "recall>=0.9",
"fpr<=0.05" or "review:recall>=0.95,fpr<=0.02". NumPy alone, since a deployed model decides by the same code as a judged
one.

Each label of a multi-label model is a question with two classes, whose score is the sigmoid of the label's logit z.
As sigmoid(z) is softmax((0, z))[1], whatever decides on two classes decides on the label's view of the logits, (0, z).
"""

import json
import math
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from foreshot.data.texts import excerpt, listing
from foreshot.errors import ConfigError, ModelError
from foreshot.files.atomic import write_atomically
from foreshot.files.bounded import read_small
from foreshot.results.decisions import Decision, LabelDecisions

DECISION_FILE = "decision.json"

SHARE = r"0?\.[0-9]+"
PROMISES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"score>=(?P<score>{SHARE})",
        rf"recall>=(?P<recall>{SHARE})",
        rf"fpr<=(?P<fpr>{SHARE})",
        rf"review:recall>=(?P<recall>{SHARE}),fpr<=(?P<fpr>{SHARE})",
    )
)


@dataclass(frozen=True)
class Policy:
    """What thresholds must keep to: a recall of at least `recall`, a false positive rate of at most `fpr`, or both.

    With both, rows between the two thresholds are for review. With neither it is `score`, the very threshold, or
    `best-f1`, `flag-rate` or `argmax`.
    """

    text: str
    score: float | None = None
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
    if plain in {"argmax", "best-f1", "flag-rate"}:
        return Policy(plain)
    for pattern in PROMISES:
        if found := pattern.fullmatch(plain):
            shares = {name: float(share) for name, share in found.groupdict().items()}
            if all(0 < share < 1 for share in shares.values()):
                return Policy(plain, **shares)
    raise ConfigError(
        f"decision {text!r} is not one of argmax, best-f1, flag-rate, score>=S, recall>=R, fpr<=F and "
        "review:recall>=R,fpr<=F, with S, R and F between 0 and 1, such as recall>=0.9"
    )


def at_score(threshold: float) -> Decision:
    """The decision that flags what scores this threshold or more, with scores as they are."""
    return Decision(policy=f"score>={threshold:.9f}".rstrip("0"), threshold=threshold)


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


# ---- several labels ----


def label_logits(logits: np.ndarray, index: int) -> np.ndarray:
    """The view of one label of a multi-label model's logits (rows, labels): zeros beside its column, (rows, 2)."""
    column = logits[:, index]
    return np.stack([np.zeros_like(column), column], axis=1)


def label_probabilities(logits: np.ndarray, decisions: LabelDecisions) -> np.ndarray:
    """Each label's probability by itself, (rows, labels): the sigmoid of logits (rows, labels) / its temperature."""
    columns = [
        scaled_probabilities(label_logits(logits, index), decision.temperature)[:, 1]
        for index, decision in enumerate(decisions.by_label.values())
    ]
    return np.stack(columns, axis=1)


def flagged_labels(logits: np.ndarray, decisions: LabelDecisions) -> np.ndarray:
    """Which labels logits (rows, labels) are decided to have, (rows, labels) of bool."""
    columns = [
        decide(decision, label_logits(logits, index), 1) == 1
        for index, decision in enumerate(decisions.by_label.values())
    ]
    return np.stack(columns, axis=1)


def scores_of(decision: Decision | LabelDecisions, logits: np.ndarray) -> np.ndarray:
    """The probability of each class or, of a multi-label model, of each label by itself: as many as logits."""
    if isinstance(decision, LabelDecisions):
        return label_probabilities(logits, decision)
    return scaled_probabilities(logits, decision.temperature)


def judged_view(logits: np.ndarray, decisions: LabelDecisions) -> tuple[Decision, np.ndarray]:
    """The judged label's decision, and its view of logits (rows, labels), whose class 1 is positive."""
    return decisions.by_label[decisions.judged], label_logits(logits, decisions.judged_index)


def view_of(
    decision: Decision | LabelDecisions, logits: np.ndarray, positive: int | None
) -> tuple[Decision, np.ndarray, int | None]:
    """What `route` and `decide` take: what is given or, of a multi-label model, the judged label's view."""
    if isinstance(decision, LabelDecisions):
        return (*judged_view(logits, decision), 1)
    return decision, logits, positive


def judging(decisions: LabelDecisions, label: str | None, *, source: str) -> LabelDecisions:
    """The same decisions with another judged label, if one is given; raises ConfigError for one that isn't there."""
    if label is None:
        return decisions
    if label not in decisions.by_label:
        raise ConfigError(
            f"⟨positive⟩ {excerpt(label)}: is no label of {source}; its labels are {listing(decisions.by_label)}"
        )
    return decisions.model_copy(update={"judged": label})


# ---- the file ----


def save_decision(decision: Decision | LabelDecisions, folder: Path) -> None:
    """Write the decision into a model's folder; raises OSError when there is no room or no permission."""
    write_atomically(folder / DECISION_FILE, decision.model_dump_json(indent=1) + "\n")


def load_decision(folder: Path) -> Decision | LabelDecisions | None:
    """The decision in a model's folder, None where there is none; raises ModelError when the file is damaged."""
    path = folder / DECISION_FILE
    try:
        content = read_small(path)
        decision = _kind_of(content).model_validate_json(content)
        complaint = complaint_about(decision)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path}: can't be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        complaint = " ".join([*map(excerpt, first["loc"]), excerpt(first["msg"], 80)])
    if complaint:
        raise ModelError(f"{path}: is damaged ({complaint}); save the model again")
    return decision


def _kind_of(content: bytes) -> type[Decision] | type[LabelDecisions]:
    """What a file claims to hold; one that is no JSON is refused as either."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return Decision
    several = isinstance(found, dict) and not found.keys().isdisjoint(LabelDecisions.model_fields)
    return LabelDecisions if several else Decision


def complaint_about(decision: Decision | LabelDecisions) -> str | None:
    """What is wrong with a decision that was read, or None."""
    return _complaint_about_one(decision) if isinstance(decision, Decision) else _complaint_about_several(decision)


def _complaint_about_several(decisions: LabelDecisions) -> str | None:
    if decisions.judged not in decisions.by_label:
        return f"its judged label {excerpt(decisions.judged)!r} is none of its labels"
    for label, decision in decisions.by_label.items():
        if complaint := _complaint_about_one(decision):
            return f"label {excerpt(label)!r}: {complaint}"
    return None


def _complaint_about_one(decision: Decision) -> str | None:
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
