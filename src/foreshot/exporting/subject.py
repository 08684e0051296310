"""Subject: the classifier that is exported, whatever has made it, and all that decides about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from foreshot.checking.check import judged_classes, model_classes
from foreshot.data.labels import Classes
from foreshot.models.batches import encode
from foreshot.models.classifiers import decision_of, find_classifier
from foreshot.models.encoders import ModelSource, load_classifier, load_tokenizer, longest_input
from foreshot.models.examination import examine
from foreshot.models.outputs import model_outputs
from foreshot.models.tokenizer_json import check_tokenization, tokenizer_json
from foreshot.progress import Progress
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.results.finished import RunModel, find_in_run, to_ship
from foreshot.results.run_folder import EXPERIMENT_FILE
from foreshot.runtime.graph import Graph
from foreshot.runtime.tokenization import TextTokenizer

LONGEST = 512  # tokens, where no run says how long the texts were that a model was trained on


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The classifier that is exported, and all that decides about it.

    `classes` are what its texts are judged as: its classes, or the two of a multi-label model's judged label.
    """

    source: ModelSource
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    tokenizer_content: str
    max_length: int
    classes: Classes
    decision: Decision | LabelDecisions
    run: RunModel | None

    @property
    def labels(self) -> list[str]:
        """What its logits are called, in their order."""
        return self.source.labels

    @cached_property
    def runtime_tokenizer(self) -> TextTokenizer:
        return TextTokenizer(self.tokenizer_content, max_length=self.max_length, where=self.source.name)

    def check_tokenization(self, texts: Sequence[str]) -> None:
        """Raise ModelError unless the tokenizers library alone gives the tokens that the model was trained on."""
        expected = [list(ids) for ids in encode(texts, self.tokenizer, self.max_length).ids]
        check_tokenization(self.source.name, self.runtime_tokenizer, texts, expected)

    def reference(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """The model's own logits (texts, classes or labels)."""
        return model_outputs(self.model, encode(texts, self.tokenizer, self.max_length), progress=progress).logits

    def graph(self, content: bytes, file: str) -> Graph:
        """A graph of this model, ready to run."""
        return Graph(content, classes=len(self.labels), pad_token_id=self.tokenizer.pad_token_id, where=file)


def find_subject(
    name: str, max_length: int | None, positive: str | None, problem_type: str | None, progress: Progress
) -> Subject:
    """The classifier of a run (what its verdict ships), of a model's folder, or of the hub.

    `positive` names the class that counts as toxic or, of a multi-label model, the label to judge; for
    `problem_type` see `find_classifier`. Raises ForeshotError for what can't be exported.
    """
    folder = Path(name)
    if (folder / EXPERIMENT_FILE).is_file():
        folder, why = to_ship(folder)
        progress.say(why)
        name = str(folder)
    run = find_in_run(folder)
    source = find_classifier(name, problem_type)
    decision = decision_of(source, positive)
    if isinstance(decision, LabelDecisions):
        classes = judged_classes(source.name, decision, announced=positive is None)
    else:
        from_run = run.positive if positive is None and run is not None else positive
        classes = model_classes(source.name, source.labels, from_run)
    for announcement in (*source.announcements, *classes.announcements):
        progress.say(announcement)
    tokenizer = load_tokenizer(source)
    trained_on = run.experiment.training.max_length if run else LONGEST
    content = tokenizer_json(source.name, tokenizer)
    model = load_classifier(source, source.labels).eval()
    longest = min(longest_input(model), max_length or trained_on)
    examine(source, model, tokenizer, longest)
    return Subject(
        source=source,
        model=model,
        tokenizer=tokenizer,
        tokenizer_content=content,
        max_length=longest,
        classes=classes,
        decision=decision,
        run=run,
    )
