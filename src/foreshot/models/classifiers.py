"""Ready classifiers, in Hugging Face's layout: found in a folder or on the hub, and scored as they are."""

from collections.abc import Sequence

import numpy as np

from foreshot.data.labels import TOXIC_WORDS
from foreshot.data.texts import listing
from foreshot.errors import ConfigError, ModelError
from foreshot.models.batches import encode
from foreshot.models.encoders import (
    MULTI_LABEL,
    ModelSource,
    find_model,
    load_classifier,
    load_tokenizer,
    longest_input,
)
from foreshot.models.examination import examine
from foreshot.models.outputs import model_outputs
from foreshot.progress import Progress
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.decisions import DECISION_FILE, judging, load_decision
from foreshot.runtime.tokenization import span_of

LONGEST = 512  # tokens
BATCH_SIZE = 32


class HubClassifier:
    """A classifier from a folder or the hub, whatever has made it.

    `labels` stand in the order of the logits; `positive` is None, since such a model doesn't say which of them
    counts as toxic; the decision is that of `decision_of`, which `judged` is for. Texts are cut to `max_length` tokens,
    `LONGEST` by default. Raises ModelError for a model that isn't there or is no ready classifier.
    """

    def __init__(self, name: str, *, max_length: int | None = None, judged: str | None = None) -> None:
        source = find_model(name)
        self.name = source.name
        self.fingerprint = source.fingerprint
        self.labels = source.labels
        self.positive: str | None = None
        self.decision = decision_of(source, judged)
        self.model = load_classifier(source, self.labels).eval()
        self.tokenizer = load_tokenizer(source)
        self.max_length = min(longest_input(self.model), max_length or LONGEST)
        examined = examine(source, self.model, self.tokenizer, self.max_length, in_batches=False)
        self.batch_size = 1 if examined.depends_on_batch else BATCH_SIZE

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """Logits (texts, classes or labels), float32; each row that is done is reported."""
        if self.batch_size == 1:
            progress.say(f"{self.name}: each text is asked alone, since beside a longer one its scores are others")
        rows = encode(texts, self.tokenizer, self.max_length)
        return model_outputs(self.model, rows, batch_size=self.batch_size, progress=progress).logits

    def looked_at(self, text: str) -> tuple[int, int] | None:
        """See `checking.check.Checkable`; where the tokenizer doesn't tell, all of a text that is cut."""
        if not self.tokenizer.is_fast:
            cut = len(self.tokenizer(text)["input_ids"]) > self.max_length
            return (0, len(text)) if cut else None
        (encoding,) = self.tokenizer([text], truncation=True, max_length=self.max_length).encodings
        return span_of(encoding.offsets) if encoding.overflowing else None


def decision_of(source: ModelSource, judged: str | None) -> Decision | LabelDecisions:
    """How a classifier decides: by its decision.json, else by the likeliest class, or for each label at one half.

    Of a multi-label model `judged` is the label that suites judge, else its decision.json's, else the first whose name
    says that it is toxic. Raises ModelError for a decision.json of another model, ConfigError where no label is judged.
    """
    saved, where = load_decision(source.folder), source.folder / DECISION_FILE
    if not source.is_multi_label:
        if isinstance(saved, LabelDecisions):
            raise ModelError(f"{where}: is of several labels, and config.json doesn't say {MULTI_LABEL}; save it again")
        return saved or Decision(policy="argmax")
    labels = source.labels
    if len(set(labels)) < len(labels):
        raise ModelError(f"{source.name}: two of its labels have the same name; rename them in its config.json")
    if saved is None:
        first = first_toxic(labels) if judged is None else labels[0]
        if first is None:
            raise ConfigError(
                f"{source.name}: none of its labels ({listing(labels)}) is taken for toxic; name one with ⟨positive⟩"
            )
        saved = LabelDecisions(judged=first, by_label=dict.fromkeys(labels, Decision(policy="argmax")))
    elif isinstance(saved, Decision) or list(saved.by_label) != labels:
        raise ModelError(f"{where}: is not of the model's labels ({listing(labels)}, in this order); save it again")
    return judging(saved, judged, source=source.name)


def first_toxic(labels: Sequence[str]) -> str | None:
    """The first label whose name says that it is toxic; case and punctuation don't count."""
    return next((label for label in labels if "".join(filter(str.isalnum, label.casefold())) in TOXIC_WORDS), None)
