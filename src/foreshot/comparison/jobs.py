"""Jobs: the models that are to be made, each a value that says all about how; and what everything is made from.

A fingerprint changes when something changes that the thing depends on, and with nothing else.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from foreshot.comparison.asked_teachers import AskedTeacher
from foreshot.comparison.inputs import Inputs
from foreshot.files.fingerprints import fingerprint
from foreshot.models.encoders import ModelSource
from foreshot.models.layers import layer_map
from foreshot.models.states import Look
from foreshot.results.models import LayerMeasure
from foreshot.results.run_folder import BASELINE_FOLDER, TEACHER_FOLDER, TEACHERS_FOLDER
from foreshot.settings.losses import Distillation
from foreshot.settings.recipes import Recipe
from foreshot.training.teacher_states import CacheFacts


@dataclass(frozen=True, kw_only=True)
class Job:
    """One model that is to be made; `folder` is where it goes, inside the run's.

    `recipe` is None for the teacher, and for the baseline. `source` is whose weights it starts from: an encoder or a
    classifier that was given, or None for the run's teacher. `distillation` is None where it learns from labels alone.
    `asked` is the teacher or the baseline that this is, if it is only asked; `mean_of` are the teachers that it is the
    mean of, by `weights`, which sum to 1. `mended` says whether it is trained with mending, and `teacher` names what it
    is held against. `rounds` says what each of the rounds before it (`comparison.rounds`) is made from.
    """

    name: str
    seed: int
    recipe: Recipe | None
    source: ModelSource | None
    layers: tuple[int, ...]
    learning_rate: float
    distillation: Distillation | None
    folder: str
    made_from: str
    asked: AskedTeacher | None = None
    mean_of: "tuple[Job, ...]" = ()
    weights: tuple[float, ...] = ()
    mended: bool = False
    teacher: str = TEACHER_FOLDER
    rounds: tuple[str, ...] = ()

    @property
    def is_one_of_several(self) -> bool:
        """Whether it is one of the teachers whose mean students are held against."""
        return self.folder.startswith(f"{TEACHERS_FOLDER}/")

    @property
    def is_baseline(self) -> bool:
        """Whether it is the bundle that the others are only compared with."""
        return self.folder == BASELINE_FOLDER

    @property
    def is_only_judged(self) -> bool:
        """Whether it is judged by itself: no student, and not what students are held against."""
        return self.is_one_of_several or self.is_baseline

    @property
    def titled(self) -> str:
        """What progress and messages call it."""
        return f"{self.name}, seed {self.seed}"


def teacher_job(inputs: Inputs) -> Job:
    """The teacher: fine-tuned from the encoder with the first seed, or the one that was given, or is only asked."""
    if inputs.asked_teachers:
        return _asked_job(inputs, inputs.asked_teachers[0], TEACHER_FOLDER, TEACHER_FOLDER)
    name = inputs.teacher_name
    return Job(
        name=name,
        seed=inputs.experiment.first_seed,
        recipe=None,
        source=inputs.origin,
        layers=tuple(range(1, inputs.origin.depth + 1)),
        learning_rate=inputs.experiment.training.learning_rate,
        distillation=None,
        folder=name,
        made_from=teacher_fingerprint(inputs),
        mended=name != TEACHER_FOLDER,
        teacher=name,
    )


def jobs_of_each(inputs: Inputs) -> list[Job]:
    """Each of several teachers, in their order; none where there is one."""
    if len(inputs.asked_teachers) < 2:
        return []
    return [
        _asked_job(inputs, teacher, f"{TEACHER_FOLDER}-{number}", f"{TEACHERS_FOLDER}/{number}")
        for number, teacher in enumerate(inputs.asked_teachers, 1)
    ]


def mean_job(inputs: Inputs, each: Sequence[Job], weights: Sequence[float]) -> Job:
    """The mean of several teachers."""
    mean = replace(each[0], name=TEACHER_FOLDER, folder=TEACHER_FOLDER, asked=None)
    return replace(mean, mean_of=tuple(each), weights=tuple(weights), made_from=teacher_fingerprint(inputs))


def baseline_job(inputs: Inputs) -> Job | None:
    """The bundle that the others are only compared with, if one is named."""
    if inputs.baseline is None:
        return None
    return _asked_job(inputs, inputs.baseline, BASELINE_FOLDER, BASELINE_FOLDER)


def _asked_job(inputs: Inputs, teacher: AskedTeacher, name: str, folder: str) -> Job:
    return Job(
        name=name,
        seed=inputs.experiment.first_seed,
        recipe=None,
        source=None,
        layers=(),
        learning_rate=inputs.experiment.training.learning_rate,
        distillation=None,
        folder=folder,
        made_from=asked_fingerprint(inputs, teacher),
        asked=teacher,
    )


def student_jobs(inputs: Inputs, recipe: Recipe, layers: tuple[int, ...]) -> list[Job]:
    """A recipe's students, one for each seed."""
    return [
        student_job(inputs, recipe, seed, layers, folder=f"students/{recipe.name}/seed-{seed}")
        for seed in inputs.experiment.seeds
    ]


def student_job(inputs: Inputs, recipe: Recipe, seed: int, layers: tuple[int, ...], *, folder: str) -> Job:
    """One student of a recipe."""
    made_from, rounds = student_fingerprint(inputs, recipe, seed), inputs.experiment.rounds_of(recipe)
    return Job(
        name=recipe.name,
        seed=seed,
        recipe=recipe,
        source=None if recipe.init == "teacher" else inputs.origin_of(recipe),
        layers=layers,
        learning_rate=inputs.experiment.learning_rate_of(recipe),
        distillation=_distillation_of(inputs, recipe) if recipe.objective == "distil" else None,
        folder=folder,
        made_from=fingerprint([made_from, "after rounds", rounds]) if rounds else made_from,
        mended=recipe.mend,
        teacher=inputs.teacher_name,
        rounds=tuple(fingerprint([made_from, "round", number]) for number in range(1, rounds + 1)),
    )


def all_layers(inputs: Inputs, measures: Sequence[LayerMeasure]) -> dict[str, tuple[int, ...]]:
    """The layers of every recipe, of those too that had to wait for a measure."""
    rankings: dict[str, list[int]] = {measure.strategy: measure.ranking for measure in measures}
    measured = {
        recipe.name: layer_map(recipe.layers, inputs.origin.depth, ranking=rankings[recipe.measured])
        for recipe in inputs.experiment.recipes
        if recipe.measured
    }
    return {**inputs.layer_maps, **measured}


def teacher_fingerprint(inputs: Inputs) -> str:
    """What the teacher is made from."""
    if len(inputs.asked_teachers) == 1:
        return asked_fingerprint(inputs, inputs.asked_teachers[0])
    if inputs.asked_teachers:
        weights = inputs.experiment.teachers.weights
        each = [asked_fingerprint(inputs, teacher) for teacher in inputs.asked_teachers]
        return fingerprint([*each, weights, *([inputs.data_fingerprint] if weights == "fitted" else [])])
    if inputs.given_teacher:
        head = inputs.given_teacher.head
        return fingerprint([inputs.given_teacher.fingerprint, inputs.task.names, *((head.rows,) if head else ())])
    return fingerprint(
        [
            inputs.data_fingerprint,
            inputs.origin.fingerprint,
            inputs.experiment.training.decisive(),
            inputs.experiment.first_seed,
            *weights_of(inputs),
        ]
    )


def weights_of(inputs: Inputs) -> list[float]:
    """What a corrected row counts for, where there are any."""
    return [] if inputs.corrections is None else [inputs.experiment.corrections.weight]


def asked_fingerprint(inputs: Inputs, teacher: AskedTeacher) -> str:
    """What a teacher that is only asked says is made from."""
    return fingerprint(["asked", teacher.fingerprint, inputs.task.names, inputs.experiment.training.max_length])


def targets_fingerprint(inputs: Inputs) -> str:
    """What the teacher's outputs are made from: the teacher, the rows and their tokenisation."""
    made_from = [teacher_fingerprint(inputs), inputs.data_fingerprint, inputs.experiment.training.max_length]
    return fingerprint([*made_from, inputs.unlabelled.fingerprint] if inputs.unlabelled else made_from)


def compares_representations(inputs: Inputs) -> bool:
    """Whether any student's sentence representations are compared with the teacher's, which may have none."""
    if not inputs.teacher_width:
        return False
    recipes = (recipe for recipe in inputs.experiment.recipes if recipe.objective == "distil")
    return any(_distillation_of(inputs, recipe).compares_representations for recipe in recipes)


def unlabelled_fingerprint(inputs: Inputs) -> str:
    """What the tokens of the unlabelled texts are made from: the texts and the tokenizer."""
    assert inputs.unlabelled is not None
    max_length = inputs.experiment.training.max_length
    return fingerprint([inputs.unlabelled.fingerprint, inputs.origin.fingerprint, max_length])


def measure_fingerprint(inputs: Inputs, strategy: str) -> str:
    """What a measure of layers is made from: the teacher, the rows and how many of them."""
    asked = [strategy, teacher_fingerprint(inputs), inputs.data_fingerprint, inputs.experiment.layer_sample]
    return fingerprint(asked)


def states_fingerprint(inputs: Inputs, facts: CacheFacts) -> str:
    """What a cache of teacher states is made from."""
    return fingerprint([targets_fingerprint(inputs), asdict(facts.look), facts.first_token, facts.precision])


def student_fingerprint(inputs: Inputs, recipe: Recipe, seed: int) -> str:
    """What a student is made from, but for rounds before it: only what its recipe looks at."""
    experiment = inputs.experiment
    rate, usual = experiment.learning_rate_of(recipe), experiment.training.learning_rate
    learns_from_teacher = recipe.objective == "distil"
    layers = [measure_fingerprint(inputs, recipe.measured)] if recipe.measured else []
    return fingerprint(
        [
            *layers,
            {
                **recipe.model_dump(mode="json", include={"layers", "tuning", "objective", "init"}),
                "learning_rate": None if rate == usual else rate,
            },
            seed,
            inputs.data_fingerprint,
            experiment.training.decisive(),
            teacher_fingerprint(inputs) if recipe.init == "teacher" else inputs.origin_of(recipe).fingerprint,
            targets_fingerprint(inputs) if learns_from_teacher else None,
            _distillation_of(inputs, recipe).model_dump() if learns_from_teacher else None,
            experiment.lora.model_dump() if recipe.tuning == "lora" else None,
            *weights_of(inputs),
            *([experiment.teachers.disagreement] if learns_from_teacher and len(inputs.asked_teachers) > 1 else []),
        ]
    )


def _distillation_of(inputs: Inputs, recipe: Recipe) -> Distillation:
    """The recipe's own distillation objective, or the experiment's."""
    return recipe.distillation or inputs.experiment.distillation


def looked_at(inputs: Inputs, job: Job) -> CacheFacts | None:
    """What a job's losses look at in the teacher besides its outputs; None for nothing."""
    settings = job.distillation
    if settings is None:
        return None
    relations = settings.weights.ever("relations")
    facts = CacheFacts(
        look=Look(
            layers=job.layers if settings.weights.ever("hidden") else (),
            projections_of=(settings.relations.layer or inputs.origin.depth) if relations else None,
            projections=settings.relations.projections if relations else None,
        ),
        first_token=settings.hidden.tokens == "first",
        lengths=inputs.taught_rows.lengths,
        hidden_size=int(inputs.origin.config.hidden_size),
        precision=settings.cache_precision,
    )
    return facts if facts.shapes else None
