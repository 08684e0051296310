"""Ready classifiers, in Hugging Face's layout: found in a folder or on the hub, and scored as they are."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from foreshot.data.labels import TOXIC, word_for
from foreshot.data.texts import excerpt, listing
from foreshot.errors import ConfigError, ModelError
from foreshot.files.bounded import read_small
from foreshot.models.batches import encode
from foreshot.models.encoders import ModelSource, find_model, load_classifier, load_tokenizer, longest_input
from foreshot.models.examination import examine
from foreshot.models.folders import CONFIG_FILE
from foreshot.models.heads import MULTI_LABEL, PROBLEM_TYPES, SINGLE_LABEL, read_head
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
    `LONGEST` by default. For `problem_type` and what is raised see `find_classifier`.
    """

    def __init__(
        self,
        name: str,
        *,
        max_length: int | None = None,
        judged: str | None = None,
        problem_type: str | None = None,
    ) -> None:
        source = find_classifier(name, problem_type)
        self.name = source.name
        self.fingerprint = source.fingerprint
        self.labels = source.labels
        self.positive: str | None = None
        self.announcements = source.announcements
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


def find_classifier(
    name: str, problem_type: str | None = None, *, unsaid: str | None = None, layers_at: str | None = None
) -> ModelSource:
    """Find a ready classifier, and read from its config.json what its logits mean; see `find_model` for the names.

    `problem_type`, "single-label" or "multi-label", says it where config.json doesn't, or says something else; `unsaid`
    is the problem type where nothing does. Raises ModelError for a model that isn't there or whose labels contradict
    themselves, and what `read_head` raises.
    """
    if problem_type not in (None, *PROBLEM_TYPES):
        raise ConfigError(f"⟨problem_type⟩ {excerpt(problem_type)}: must be {' or '.join(PROBLEM_TYPES)}")
    source = find_model(name, layers_at=layers_at)
    _refuse_contradiction(source)
    said = PROBLEM_TYPES[problem_type] if problem_type else getattr(source.config, "problem_type", None)
    if said is None and (saved := load_decision(source.folder)):
        said = SINGLE_LABEL if isinstance(saved, Decision) else MULTI_LABEL
    return replace(source, head=read_head(source.labels_in_file, said or unsaid, source=source.name))


def _refuse_contradiction(source: ModelSource) -> None:
    """Labels must be numbered as logits are, and as many as config.json says: Transformers renames them otherwise."""
    numbers = sorted(source.config.id2label or {})
    if numbers != list(range(len(numbers))):
        raise ModelError(f"{source.name}: its config.json numbers its labels {listing(numbers)}; they count from 0")
    written = json.loads(read_small(source.folder / CONFIG_FILE))
    named, counted = written.get("id2label"), written.get("num_labels")
    if named and counted is not None and counted != len(named):
        raise ModelError(
            f"{source.name}: its config.json names {len(named)} labels (id2label) and counts {excerpt(counted)} "
            "(num_labels); correct it"
        )


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
    return next((label for label in labels if word_for(label) == TOXIC), None)
