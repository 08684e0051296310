"""Teachers that are only asked: no layers are taken from them, so that their architecture and tokenizer are their own.

A classifier of Hugging Face's layout, or a bundle, which needs no PyTorch. Each gives the logits of the task's outputs,
in their order, on texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from transformers import PreTrainedModel

from foreshot.checking.check import BundleGraph
from foreshot.data.texts import excerpt, listing
from foreshot.errors import ConfigError, ModelError
from foreshot.files.fingerprints import fingerprint
from foreshot.judging.task import Task
from foreshot.models.batches import encode
from foreshot.models.classifiers import BATCH_SIZE, find_classifier
from foreshot.models.encoders import ModelSource, load_classifier, load_tokenizer, longest_input
from foreshot.models.examination import examine, tell_padding
from foreshot.models.heads import MULTI_LABEL, Head, label_of_name, match_head
from foreshot.models.outputs import Outputs, model_outputs
from foreshot.models.students import parameters
from foreshot.progress import Progress
from foreshot.results.decisions import LabelDecisions
from foreshot.results.models import Cost
from foreshot.results.teachers import BUNDLE, CLASSIFIER, STORED, AskedFacts
from foreshot.runtime.bundle import FP32_GRAPH, Bundle, is_bundle, read_bundle
from foreshot.settings.experiment import Experiment
from foreshot.settings.losses import Distillation
from foreshot.training.projection import compares_representations

FLOAT = 4  # bytes


class AskedTeacher(Protocol):
    """A teacher from which no layers are taken: what is known of it, and what it says about texts.

    `width` is that of its sentence representations (None: it has none that could teach), `cost` what it takes to keep
    (None: nothing is known of it), and `announcements` tell what was guessed about it.
    """

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def announcements(self) -> tuple[str, ...]: ...
    @property
    def width(self) -> int | None: ...
    @property
    def cost(self) -> Cost | None: ...
    @property
    def facts(self) -> AskedFacts:
        """What its folder in the run says of it, where it is no Hugging Face model."""

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """Logits (texts, outputs), float32, in the order of the task's outputs, of texts that are normalised.

        NaN where it says nothing about a text; each text that is done is reported.
        """


@dataclass(frozen=True, kw_only=True)
class AskedClassifier:
    """A ready classifier with a tokenizer of its own, from a folder or the hub; it is loaded when it is asked.

    `names` are the task's outputs, to which the head of `source` is matched; texts are cut to `max_length` tokens.
    """

    source: ModelSource
    names: tuple[str, ...]
    multi_label: bool
    max_length: int
    batch_size: int
    width: int | None
    parameters: int
    device: torch.device
    announcements: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.source.name

    @property
    def fingerprint(self) -> str:
        """Of its files, and of which of its logits are asked."""
        return fingerprint([self.source.fingerprint, self.source.head.rows if self.source.head else None])

    @property
    def cost(self) -> Cost:
        """Its depth and its weights."""
        return Cost(
            layers=self.source.depth,
            parameters=self.parameters,
            trained_parameters=0,
            size_on_disk=FLOAT * self.parameters,
        )

    @property
    def facts(self) -> AskedFacts:
        """See `AskedTeacher`."""
        where = str(self.source.folder.resolve())
        return AskedFacts(kind=CLASSIFIER, name=self.name, places=[where], fingerprint=self.fingerprint)

    def load(self) -> PreTrainedModel:
        """The model with the task's outputs, in evaluation mode, on the CPU."""
        model = load_classifier(self.source, self.names, multi_label=self.multi_label).eval()
        tell_padding(model, load_tokenizer(self.source))
        return model

    def outputs(self, texts: Sequence[str], progress: Progress) -> Outputs:
        """Logits, and sentence representations where they can teach."""
        model = self.load()
        model.to(self.device)  # type: ignore[arg-type]  # Transformers wraps it oddly
        rows = encode(texts, load_tokenizer(self.source), self.max_length)
        found = model_outputs(model, rows, batch_size=self.batch_size, progress=progress)
        return found if self.width is not None else replace(found, representations=None)

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """See `AskedTeacher`."""
        return self.outputs(texts, progress).logits


@dataclass(frozen=True, kw_only=True)
class AskedBundle:
    """A bundle, asked by its graph in 32 bits where it has one; `rows` says which of its logits each output is."""

    folder: Path
    name: str
    file: str
    fingerprint: str
    rows: tuple[int | None, ...]
    cost: Cost
    announcements: tuple[str, ...]
    width: int | None = None

    @property
    def facts(self) -> AskedFacts:
        """See `AskedTeacher`."""
        where = str(self.folder.resolve())
        return AskedFacts(kind=BUNDLE, name=self.name, places=[where], fingerprint=self.fingerprint)

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """See `AskedTeacher`; None of `rows` is a logit that is always 0."""
        found = BundleGraph(self.folder, self.file, None).logits(texts, progress)
        with_zero = np.concatenate([found, np.zeros_like(found[:, :1])], axis=1)
        return with_zero[:, [-1 if row is None else row for row in self.rows]].astype(np.float32)


def outputs_of(teacher: AskedTeacher, texts: Sequence[str], progress: Progress) -> Outputs:
    """All that a teacher says about texts."""
    if isinstance(teacher, AskedClassifier):
        return teacher.outputs(texts, progress)
    return Outputs(logits=teacher.logits(texts, progress), representations=None)


def check_asked(experiment: Experiment, teachers: Sequence[AskedTeacher], encoder: ModelSource) -> list[str]:
    """Raise ConfigError for a recipe that wants more of teachers than they say; else what there is to announce."""
    why = _why_only_asked(teachers, encoder)
    if experiment.explanations.method != "leave-one-out" and experiment.explanations.most_texts:
        raise ConfigError(
            f"explanations.method: {experiment.explanations.method} looks into every model, and {why}; set it to "
            "leave-one-out"
        )
    said = [f"{why}: only asked; all students take their layers from {encoder.name}"]
    for recipe in experiment.recipes:
        if recipe.measured:
            raise ConfigError(
                f"recipe {recipe.name}: {recipe.layers} measures the teacher's layers, and {why}; name layers"
            )
        settings = recipe.distillation or experiment.distillation
        if recipe.objective == "distil":
            for loss in ("hidden", "relations"):
                if settings.weights.ever(loss):
                    raise ConfigError(
                        f"recipe {recipe.name}: the loss {loss} compares token by token, and {why}; set "
                        f"distillation.weights.{loss}: 0"
                    )
            said += _about_representations(recipe.name, settings, width_of(teachers), encoder)
    return [line for teacher in teachers for line in teacher.announcements] + list(dict.fromkeys(said))


def width_of(teachers: Sequence[AskedTeacher]) -> int | None:
    """How wide the sentence representations are that can teach: those of one teacher; several have none in common."""
    return teachers[0].width if len(teachers) == 1 else None


def _why_only_asked(teachers: Sequence[AskedTeacher], encoder: ModelSource) -> str:
    """Why no layers, and no states of tokens, can be taken from these teachers."""
    if len(teachers) > 1:
        return f"the {len(teachers)} teachers have their mean of probabilities alone in common"
    (teacher,) = teachers
    if teacher.facts.kind == STORED:
        return "stored scores have no network"
    if teacher.facts.kind == CLASSIFIER:
        return f"{teacher.name} has another vocabulary than {encoder.name}"
    return f"{teacher.name} is {teacher.facts.kind}, which gives its scores alone"


def _about_representations(recipe: str, settings: Distillation, width: int | None, encoder: ModelSource) -> list[str]:
    """What becomes of the cosine loss between sentence representations, where it is asked for."""
    if not compares_representations(settings):
        return []
    if width is not None:
        return [told_of_projection(width, encoder)] if width != int(encoder.config.hidden_size) else []
    for progress in (0.0, 1.0):
        if not sum(weight for name, weight in settings.weights.at(progress).items() if name != "cosine"):
            raise ConfigError(
                f"recipe {recipe}: the loss cosine compares sentence representations, which aren't known; give "
                "another loss a weight under distillation.weights"
            )
    return ["the teacher's sentence representations aren't known: the loss cosine is left out"]


def told_of_projection(width: int, student: ModelSource) -> str:
    """What is announced where representations of two widths are compared."""
    return (
        f"the teacher's sentence representation has {width} numbers, a student's {int(student.config.hidden_size)}: "
        "the loss cosine compares them through a linear map, trained along and not kept"
    )


@dataclass(frozen=True, kw_only=True)
class FoundBundle:
    """A bundle that was read, and what its logits mean."""

    name: str
    bundle: Bundle
    head: Head


def find_teachers(experiment: Experiment, task: Task) -> list[ModelSource | FoundBundle]:
    """All that are named as teachers, each with its logits matched to the data's classes or labels.

    Raises ConfigError or ModelError where one has none of them, BundleError for a damaged bundle.
    """
    found = [_find(name, experiment, task) for name in experiment.given_teachers]
    if len(found) > 1:
        _check_labels_given(found, experiment)
    return [replace(one, head=_matched(one, experiment, task, alone=len(found) == 1)) for one in found]


def find_baseline(experiment: Experiment, task: Task) -> AskedBundle | None:
    """The bundle that the run's models are only compared with; None where none is named.

    Raises ConfigError where its labels don't say the task's outputs, BundleError for one that can't be used.
    """
    if experiment.baseline is None:
        return None
    found = _find_bundle(experiment.baseline)
    name, labels = found.name, found.head.labels
    try:
        head = match_head(
            found.head,
            task.names,
            task.classes,
            multi_label=task.multi_label,
            given=_judged_for(found, task),
            source=name,
        )
    except (ConfigError, ModelError):
        raise ConfigError(
            f"⟨baseline⟩ {name}: its labels ({listing(labels)}) don't say the data's ({listing(task.names)}); a bundle "
            "can be one where the data have two classes, or outputs of its own labels' names; leave it out"
        ) from None
    rows = zip(task.names, head.rows, strict=True)
    said = ", ".join(f"{excerpt(labels[row])!r} for {excerpt(output)!r}" for output, row in rows if row is not None)
    told = f"baseline {name}: asked by its own labels ({said}), compared with all models, and no part of the verdict"
    return _ready_bundle(replace(found, head=replace(head, announcements=(told,))))


def ready(
    found: ModelSource | FoundBundle, experiment: Experiment, task: Task, device: torch.device
) -> AskedClassifier | AskedBundle:
    """A teacher that was found, ready to be asked; raises what `examine` and `load_classifier` do."""
    if isinstance(found, FoundBundle):
        return _ready_bundle(found)
    return _ready_classifier(found, experiment, task, device)


def _ready_classifier(source: ModelSource, experiment: Experiment, task: Task, device: torch.device) -> AskedClassifier:
    model = load_classifier(source, task.names, multi_label=task.multi_label).eval()
    asked, longest = experiment.training.max_length, longest_input(model)
    examined = examine(source, model, load_tokenizer(source), min(asked, longest), in_batches=False)
    said = list(source.announcements)
    if longest < asked:
        said.append(f"{source.name}: looks at the first {longest} tokens of a text, having no more positions")
    if examined.depends_on_batch:
        said.append(f"{source.name}: each text is asked alone, since beside a longer one its scores are others")
    if examined.first_token_blind:
        said.append(f"{source.name}: its first token doesn't see the others, so that its logits alone teach")
    return AskedClassifier(
        source=source,
        names=tuple(task.names),
        multi_label=task.multi_label,
        max_length=min(asked, longest),
        batch_size=1 if examined.depends_on_batch else BATCH_SIZE,
        width=None if examined.first_token_blind else int(model.config.hidden_size),
        parameters=parameters(model)[0],
        device=device,
        announcements=tuple(said),
    )


def _ready_bundle(found: FoundBundle) -> AskedBundle:
    folder, manifest = found.bundle.folder, found.bundle.manifest
    graphs = [graph.file for graph in manifest.graphs]
    file = FP32_GRAPH if FP32_GRAPH in graphs else graphs[0]
    return AskedBundle(
        folder=folder,
        name=found.name,
        file=file,
        fingerprint=fingerprint([BundleGraph(folder, file, None).fingerprint, found.head.rows]),
        rows=found.head.rows,
        cost=Cost(
            layers=manifest.origin.layers,
            parameters=manifest.origin.parameters,
            trained_parameters=0,
            size_on_disk=(folder / file).stat().st_size,
        ),
        announcements=found.head.announcements,
    )


def _find(name: str, experiment: Experiment, task: Task) -> ModelSource | FoundBundle:
    """A teacher by its name, its logits as it calls them itself."""
    if not is_bundle(Path(name)):
        unsaid = MULTI_LABEL if task.multi_label else None
        return find_classifier(name, experiment.problem_type, unsaid=unsaid, layers_at=experiment.layer_stack)
    if experiment.problem_type is not None and len(experiment.given_teachers) == 1:
        raise ConfigError(f"⟨problem_type⟩: is for other models; the bundle {name} says it itself")
    return _find_bundle(name)


def _find_bundle(name: str) -> FoundBundle:
    bundle = read_bundle(name)
    labels, several = tuple(bundle.manifest.labels), isinstance(bundle.manifest.deciding, LabelDecisions)
    head = Head(labels=labels, multi_label=several, rows=tuple(range(len(labels))))
    return FoundBundle(name=name, bundle=bundle, head=head)


def _matched(found: ModelSource | FoundBundle, experiment: Experiment, task: Task, *, alone: bool) -> Head:
    """The head with the task's outputs; of several teachers ⟨teacher_labels⟩ are for those that have such a label."""
    assert found.head is not None
    given = experiment.teacher_labels
    if not alone:
        given = {written: wanted for written, wanted in given.items() if label_of_name(wanted, found.head.labels)}
    judged = {} if given or not isinstance(found, FoundBundle) else _judged_for(found, task)
    head = match_head(
        found.head, task.names, task.classes, multi_label=task.multi_label, given=given or judged, source=found.name
    )
    told = tuple(
        f"{found.name}: its label {excerpt(label)!r} is taken for {excerpt(name)!r} (--teacher-labels says otherwise)"
        for name, label in judged.items()
    )
    return replace(head, announcements=(*head.announcements, *told))


def _judged_for(found: FoundBundle, task: Task) -> dict[str, str]:
    """Of a bundle's several labels the judged one, by the class of two that counts as toxic; else nothing."""
    positive, judged = task.classes.positive, found.bundle.manifest.positive
    if not found.head.multi_label or judged is None or task.multi_label or len(task.names) != 2 or positive is None:
        return {}
    return {task.names[positive]: judged}


def _check_labels_given(teachers: Sequence[ModelSource | FoundBundle], experiment: Experiment) -> None:
    """Raise ConfigError for a label in ⟨teacher_labels⟩ that none of several teachers has."""
    labels = {found.name: found.head.labels for found in teachers if found.head}
    for written, wanted in experiment.teacher_labels.items():
        if not any(label_of_name(wanted, of_one) for of_one in labels.values()):
            known = "; ".join(f"{name} has {listing(of_one)}" for name, of_one in labels.items())
            raise ConfigError(
                f"⟨teacher_labels⟩: {excerpt(written)}={excerpt(wanted)} is a label of no teacher: {known}"
            )
