"""The stages that make models: the stored split, the teacher, its cached outputs, and a student for each recipe.

Each is skipped when the run's folder already holds it finished and made from what is asked for now.
"""

from pathlib import Path

import numpy as np
from peft import PeftModel
from transformers import PreTrainedModel

from foreshot.comparison.folder import CHECKPOINTS_FOLDER
from foreshot.comparison.model_folder import ADAPTER_FOLDER, TrainingRecord, save_classifier, save_curves
from foreshot.comparison.plan import Plan
from foreshot.data.split import write_split
from foreshot.files.atomic import write_atomically
from foreshot.files.fingerprints import fingerprint
from foreshot.files.stages import building, is_finished, read_record
from foreshot.judging import guards
from foreshot.judging.metrics import cross_entropy
from foreshot.judging.multilabel import binary_cross_entropy
from foreshot.judging.summary import training_facts
from foreshot.models.batches import EncodedRows
from foreshot.models.encoders import ModelSource, find_model, head_modules, load_classifier, load_encoder
from foreshot.models.importance import (
    block_influence,
    first_layer_stays,
    greedy_removal,
    ranked_by_influence,
    ranked_by_removal,
)
from foreshot.models.outputs import Outputs, model_outputs
from foreshot.models.states import Look
from foreshot.models.students import add_lora, keep_layers, load_adapter, merge, parameters
from foreshot.progress import Progress
from foreshot.results.models import LayerMeasure
from foreshot.settings.recipes import Recipe
from foreshot.training.checkpoints import Checkpointing
from foreshot.training.device import device_name, standing_on
from foreshot.training.loop import History, Teaching, train
from foreshot.training.seeding import derived_seed, generator
from foreshot.training.teacher_states import TeacherStates, check_room, live_teacher, read_cache, write_cache

RELOAD_ROWS = 64
"""Validation rows on which a saved model is compared with the trained one."""
TEACHER = "teacher"
OUTPUTS_FILE = "outputs.safetensors"
MEASURE_FILE = "measure.json"


def store_data(plan: Plan) -> None:
    """Write the split that every model sees."""
    if is_finished(plan.data_folder, plan.data_fingerprint):
        return
    with building(plan.data_folder, plan.data_fingerprint) as workplace:
        write_split(plan.split, workplace)


def make_teacher(plan: Plan, progress: Progress) -> None:
    """Fine-tune the encoder on the labels, or take the classifier that was given; it must beat the majority class."""
    made_from = plan.teacher_fingerprint()
    if is_finished(plan.teacher_folder, made_from):
        progress.say("teacher: already there")
        return
    seed = plan.experiment.first_seed
    with building(plan.teacher_folder, made_from) as workplace:
        if plan.given_teacher:
            model = load_classifier(plan.given_teacher, plan.output_names, multi_label=plan.is_multi_label)
            record = TrainingRecord()
        else:
            model = new_classifier(plan, plan.origin, seed)
            guards.check_head_trains(model, head_modules(model))
            record = train_into(plan, model, None, seed, workplace, progress)
        check_teacher(plan, logits_on_device(plan, model, "validation"))
        save_and_check(plan, model, workplace)
        record.save(workplace)
    checkpointing(plan, made_from).remove()


def check_teacher(plan: Plan, logits: np.ndarray) -> None:
    """Stop when the teacher's logits on the validation rows, (rows, classes) or (rows, labels), tell nothing."""
    validation = plan.split.parts["validation"]
    if validation.marks is None:
        guards.check_beats_majority(logits.argmax(axis=1), np.array(validation.labels), model=TEACHER)
    else:
        guards.check_ranks_labels(logits, np.array(validation.marks), model=TEACHER)


def compute_targets(plan: Plan, progress: Progress) -> None:
    """Compute the teacher's outputs on the training rows, once for all students."""
    made_from = plan.targets_fingerprint()
    if is_finished(plan.targets_folder, made_from):
        return
    teacher, rows = open_model(plan, plan.teacher_folder), plan.taught_rows
    progress.begin("teacher's outputs on the training rows", len(rows))
    try:
        with building(plan.targets_folder, made_from) as workplace:
            model_outputs(teacher, rows, progress=progress).save(workplace / OUTPUTS_FILE)
    finally:
        progress.end()


def measure_layers(plan: Plan, progress: Progress) -> list[LayerMeasure]:
    """Find out what the teacher's layers do, for the strategies that ask, on a sample of the training rows."""
    strategies = list(dict.fromkeys(recipe.measured for recipe in plan.experiment.recipes if recipe.measured))
    measures = []
    for strategy in strategies:
        folder, made_from = plan.measures_folder / strategy, plan.measure_fingerprint(strategy)
        if not is_finished(folder, made_from):
            with building(folder, made_from) as workplace:
                measure = _measured(plan, strategy, progress)
                write_atomically(workplace / MEASURE_FILE, measure.model_dump_json(indent=1) + "\n")
        measures.append(read_record(folder / MEASURE_FILE, LayerMeasure))
    return measures


def _measured(plan: Plan, strategy: str, progress: Progress) -> LayerMeasure:
    teacher, train_rows, depth = open_model(plan, plan.teacher_folder), plan.rows["train"], plan.origin.depth
    count = min(plan.experiment.layer_sample, len(train_rows))
    chosen = np.sort(generator(plan.experiment.first_seed, "layers").choice(len(train_rows), count, replace=False))
    rows = EncodedRows(ids=[train_rows.ids[row] for row in chosen], tokenizer=plan.tokenizer)
    if strategy == "influence":
        influence = block_influence(teacher, rows)
        return LayerMeasure(
            strategy="influence",
            rows=count,
            layers=list(range(1, depth + 1)),
            values=influence.tolist(),
            ranking=ranked_by_influence(influence, first_stays=first_layer_stays(teacher)),
        )
    labels = training_labels(plan)[chosen]
    loss = binary_cross_entropy if plan.is_multi_label else cross_entropy

    def loss_of(logits: np.ndarray) -> float:
        return loss(logits, labels)

    progress.begin(f"dropping the teacher's layers one by one, on {count:,} training rows", depth - 1)
    try:
        dropped = greedy_removal(
            teacher, rows, loss_of, removed=lambda number, loss: progress.advance(1, f"layer {number}: loss {loss:.3f}")
        )
    finally:
        progress.end()
    return LayerMeasure(
        strategy="greedy",
        rows=count,
        layers=[number for number, _ in dropped],
        values=[loss for _, loss in dropped],
        whole=loss_of(model_outputs(teacher, rows).logits),
        ranking=ranked_by_removal(dropped, depth),
    )


def cache_states(plan: Plan, recipe: Recipe, progress: Progress) -> None:
    """Compute the teacher's hidden states or relations on the training rows, where a recipe looks at them, once."""
    facts = plan.cache_facts(recipe)
    cached = plan.distillation_of(recipe).teacher_states == "cached"
    if recipe.objective != "distil" or not facts.shapes or not cached:
        return
    folder, made_from = plan.states_folder(recipe), plan.states_fingerprint(recipe)
    if is_finished(folder, made_from):
        return
    check_room(facts, plan.folder)
    rows = plan.taught_rows
    progress.say(f"{recipe.name}: the teacher's states take {facts.size / 1e6:,.0f} MB in {folder}")
    progress.begin("teacher's states on the training rows", len(rows))
    try:
        with building(folder, made_from) as workplace:
            write_cache(open_model(plan, plan.teacher_folder), rows, facts, workplace, progress)
    finally:
        progress.end()


def make_student(plan: Plan, recipe: Recipe, seed: int, progress: Progress) -> None:
    """Train one student by its recipe and save it, merged; LoRA adapters are kept beside it."""
    folder = plan.student_folder(recipe, seed)
    made_from = plan.student_fingerprint(recipe, seed)
    if is_finished(folder, made_from):
        progress.say(f"{recipe.name}, seed {seed}: already there")
        return
    model = untrained_student(plan, recipe, seed)
    head = head_modules(model)
    cache_states(plan, recipe, progress)
    with building(folder, made_from) as workplace:
        if recipe.tuning == "lora":
            base_name = keep_base(plan, recipe, model)
            adapted = add_lora(model, plan.experiment.lora, seed=derived_seed(seed, "lora"), base_name=base_name)
            guards.check_head_trains(adapted, head)
            record = train_into(plan, adapted, recipe, seed, workplace, progress)
            adapted.save_pretrained(str(workplace / ADAPTER_FOLDER), save_embedding_layers=False)
            check_adapter(plan, recipe, seed, adapted, workplace)
            save_and_check(plan, merge(adapted), workplace)
        else:
            guards.check_head_trains(model, head)
            record = train_into(plan, model, recipe, seed, workplace, progress)
            save_and_check(plan, model, workplace)
        record.save(workplace)
    checkpointing(plan, made_from).remove()


def new_classifier(plan: Plan, source: ModelSource, seed: int) -> PreTrainedModel:
    """An encoder with a new head for the task, as `seed` draws it."""
    return load_encoder(source, plan.output_names, seed=derived_seed(seed, "head"), multi_label=plan.is_multi_label)


def untrained_student(plan: Plan, recipe: Recipe, seed: int) -> PreTrainedModel:
    """The model that a recipe starts training: the kept layers of the teacher or of the encoder with a new head."""
    if recipe.init == "teacher":
        origin = load_model(plan, plan.teacher_folder)
    else:
        origin = new_classifier(plan, plan.origin_of(recipe), seed)
    layers = plan.layer_maps[recipe.name]
    student = keep_layers(origin, layers)
    guards.check_layers_equal(student, origin, layers)
    return student


def train_into(
    plan: Plan,
    model: PreTrainedModel | PeftModel,
    recipe: Recipe | None,
    seed: int,
    folder: Path,
    progress: Progress,
) -> TrainingRecord:
    """Train a model on the training rows, by labels or with the teacher's outputs, and keep its losses in `folder`."""
    settings = plan.experiment.training
    learning_rate = plan.experiment.learning_rate_of(recipe)
    progress.begin(
        f"training {recipe.name if recipe else TEACHER}, seed {seed}",
        len(plan.rows["train"]) * settings.epochs,
    )
    try:
        history: History = train(
            model,
            plan.rows["train"],
            training_labels(plan),
            settings=settings,
            learning_rate=learning_rate,
            seed=seed,
            teaching=teaching(plan, recipe) if recipe and recipe.objective == "distil" else None,
            checkpointing=checkpointing(
                plan, plan.student_fingerprint(recipe, seed) if recipe else plan.teacher_fingerprint()
            ),
            device=plan.device,
            progress=progress,
        )
    finally:
        progress.end()
    save_curves(history, folder)
    return TrainingRecord(
        facts=training_facts(
            history.losses,
            rows=len(plan.rows["train"]),
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=learning_rate,
            matched=learning_rate == settings.learning_rate,
            device=device_name(plan.device),
            precision=settings.precision,
            accumulate=settings.accumulate,
        ),
        trained_parameters=parameters(model)[1],
        seconds=history.took.seconds,
        cpu_seconds=history.took.cpu_seconds,
        peak_memory=history.took.peak_memory,
    )


def checkpointing(plan: Plan, made_from: str) -> Checkpointing:
    """Where the training of the model with this fingerprint keeps what it needs to go on; removed with its end."""
    return Checkpointing(
        folder=plan.folder / CHECKPOINTS_FOLDER / made_from,
        made_from=made_from,
        every=plan.experiment.checkpoint_seconds,
    )


def teaching(plan: Plan, recipe: Recipe) -> Teaching:
    """What a student of this recipe learns from besides labels."""
    settings, facts, rows = plan.distillation_of(recipe), plan.cache_facts(recipe), plan.taught_rows
    states: TeacherStates | None = None
    if facts.shapes and settings.teacher_states == "cached":
        states = read_cache(facts, plan.states_folder(recipe))
    elif facts.shapes:
        teacher = open_model(plan, plan.teacher_folder)
        states = live_teacher(teacher, rows, facts.look, first_token=facts.first_token)
    depth = len(plan.layer_maps[recipe.name])
    return Teaching(
        settings=settings,
        outputs=Outputs.load(plan.targets_folder / OUTPUTS_FILE),
        unlabelled=plan.unlabelled_rows,
        look=Look(
            layers=tuple(range(1, depth + 1)) if facts.look.layers else (),
            projections_of=depth if facts.look.projections_of is not None else None,
            projections=facts.look.projections,
        ),
        states=states,
    )


def training_labels(plan: Plan) -> np.ndarray:
    """What the training rows are labelled: class numbers (rows,), or marks as floats (rows, labels)."""
    train_part = plan.split.parts["train"]
    return np.array(train_part.labels) if train_part.marks is None else np.array(train_part.marks, dtype=np.float32)


def save_and_check(plan: Plan, model: PreTrainedModel, folder: Path) -> None:
    """Save a trained classifier, load it again, and stop unless head and logits are what was trained."""
    save_classifier(model, plan.tokenizer, folder)
    saved = load_model(plan, folder)
    guards.check_head_kept(saved, model)
    check_same_logits(plan, model, saved, folder)


def check_adapter(plan: Plan, recipe: Recipe, seed: int, adapted: PeftModel, folder: Path) -> None:
    """Put the saved adapter on a new base, and stop unless it gives the logits that were trained."""
    base = untrained_student(plan, recipe, seed)
    saved = load_adapter(base, folder / ADAPTER_FOLDER)
    check_same_logits(plan, adapted, saved, folder / ADAPTER_FOLDER)


def check_same_logits(
    plan: Plan, trained: PreTrainedModel | PeftModel, saved: PreTrainedModel | PeftModel, folder: Path
) -> None:
    """The guard on reloading, on some validation rows."""
    rows = EncodedRows(ids=plan.rows["validation"].ids[:RELOAD_ROWS], tokenizer=plan.tokenizer)
    guards.check_reload(model_outputs(trained, rows).logits, model_outputs(saved, rows).logits, folder=folder)


def keep_base(plan: Plan, recipe: Recipe, untrained: PreTrainedModel) -> str:
    """Where a LoRA adapter's base model stands: what it was cut from, or saved here when layers were left out."""
    source = plan.origin_of(recipe)
    if plan.layer_maps[recipe.name] == tuple(range(1, source.depth + 1)):
        if recipe.init == "teacher":
            return str(plan.teacher_folder)
        return source.name if Path(source.name).is_dir() or "/" in source.name else str(source.folder)
    folder = plan.folder / "students" / recipe.name / "base"
    made_from = fingerprint([plan.student_fingerprint(recipe, plan.experiment.first_seed), "base"])
    if not is_finished(folder, made_from):
        with building(folder, made_from) as workplace:
            save_classifier(untrained, plan.tokenizer, workplace)
    return str(folder)


def logits_on_device(plan: Plan, model: PreTrainedModel | PeftModel, part: str) -> np.ndarray:
    """What a model that stands on the CPU says about a part's rows, computed on the run's device."""
    with standing_on(model, plan.device):
        return model_outputs(model, plan.rows[part]).logits


def open_model(plan: Plan, folder: Path) -> PreTrainedModel:
    """A saved classifier of this run, in evaluation mode, on the run's device: to be asked."""
    model = load_model(plan, folder)
    model.to(plan.device)  # type: ignore[arg-type]  # Transformers wraps it oddly
    return model


def load_model(plan: Plan, folder: Path) -> PreTrainedModel:
    """A saved classifier of this run, in evaluation mode, on the CPU: to be copied, trained or compared."""
    return load_classifier(find_model(str(folder)), plan.output_names, multi_label=plan.is_multi_label).eval()
