"""Subject: the classifier that is exported, whatever has made it, and all that decides about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from foreshot.checking.check import judged_classes, model_classes
from foreshot.data.labels import Classes
from foreshot.errors import ModelError
from foreshot.exporting.exportable import check_tokenization, tokenizer_content
from foreshot.models.batches import encode
from foreshot.models.classifiers import decision_of
from foreshot.models.encoders import ModelSource, find_model, load_classifier, load_tokenizer, longest_input
from foreshot.models.outputs import model_outputs
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
        expected = encode(texts, self.tokenizer, self.max_length).ids
        check_tokenization(self.source, self.runtime_tokenizer, texts, expected)

    def reference(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """The model's own logits (texts, classes or labels)."""
        return model_outputs(self.model, encode(texts, self.tokenizer, self.max_length), progress=progress).logits

    def graph(self, content: bytes, file: str) -> Graph:
        """A graph of this model, ready to run."""
        return Graph(content, classes=len(self.labels), pad_token_id=self.tokenizer.pad_token_id, where=file)


def find_subject(name: str, max_length: int | None, positive: str | None, progress: Progress) -> Subject:
    """The classifier of a run (what its verdict ships), of a model's folder, or of the hub.

    `positive` names the class that counts as toxic or, of a multi-label model, the label to judge. Raises ForeshotError
    for what can't be exported.
    """
    folder = Path(name)
    if (folder / EXPERIMENT_FILE).is_file():
        folder, why = to_ship(folder)
        progress.say(why)
        name = str(folder)
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ModelError(f"{name}: is a LoRA adapter alone; name the folder of the model that it was merged into")
    run = find_in_run(folder)
    source = find_model(name)
    _refuse_other_tasks(source)
    decision = decision_of(source, positive)
    if isinstance(decision, LabelDecisions):
        classes = judged_classes(source.name, decision, announced=positive is None)
    else:
        from_run = run.positive if positive is None and run is not None else positive
        classes = model_classes(source.name, source.labels, from_run)
    for announcement in classes.announcements:
        progress.say(announcement)
    tokenizer = load_tokenizer(source)
    trained_on = run.experiment.training.max_length if run else LONGEST
    longest = min(longest_input(source), max_length or trained_on)
    return Subject(
        source=source,
        model=load_classifier(source, source.labels).eval(),
        tokenizer=tokenizer,
        tokenizer_content=tokenizer_content(source, tokenizer),
        max_length=longest,
        classes=classes,
        decision=decision,
        run=run,
    )


def _refuse_other_tasks(source: ModelSource) -> None:
    """A bundle's scores are a softmax over classes, of which a text has one, or a sigmoid for each of its labels."""
    task, labels = source.config.problem_type, source.labels
    if not source.is_multi_label and (task not in {None, "single_label_classification"} or len(labels) < 2):
        raise ModelError(f"{source.name}: is no classifier that gives a text one of several classes; can't be exported")
    if len(set(labels)) < len(labels):
        raise ModelError(f"{source.name}: two of its classes have the same name; rename them in its config.json")
