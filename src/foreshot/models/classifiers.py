"""Ready classifiers, in Hugging Face's layout: found in a folder or on the hub, and scored as they are."""

from collections.abc import Sequence

import numpy as np

from foreshot.data.batches import encode
from foreshot.facts import Decision
from foreshot.models.encoders import find_model, load_classifier, load_tokenizer, longest_input
from foreshot.models.outputs import model_outputs
from foreshot.progress import Progress
from foreshot.runtime.decisions import load_decision

LONGEST = 512  # tokens


class HubClassifier:
    """A classifier from a folder or the hub, whatever has made it.

    `labels` stand in the order of the logits; `positive` is None, since such a model doesn't say which of them
    counts as toxic; the decision is that of its decision.json, else the likeliest class. Texts are cut to
    `max_length` tokens, `LONGEST` by default. Raises ModelError for a model that isn't there or is no ready classifier.
    """

    def __init__(self, name: str, *, max_length: int | None = None) -> None:
        source = find_model(name)
        self.name = source.name
        self.fingerprint = source.fingerprint
        self.labels = source.labels
        self.positive: str | None = None
        self.decision = load_decision(source.folder) or Decision(policy="argmax")
        self._model = load_classifier(source, self.labels).eval()
        self._tokenizer = load_tokenizer(source)
        self._max_length = min(longest_input(source), max_length or LONGEST)

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """Logits (texts, classes), float32; each row that is done is reported."""
        rows = encode(texts, self._tokenizer, self._max_length)
        return model_outputs(self._model, rows, progress=progress).logits
