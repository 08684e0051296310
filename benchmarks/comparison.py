"""How long a whole comparison takes, against the origin's way of doing the same, side by side in one run.

    python benchmarks/comparison.py [--data FILE --text COLUMN --label COLUMN --positive A,B] [--rows 1400] [--epochs 3]
        [--seeds 0,1,2] [--turns 3]

Two arms, each in a new process at every turn, on the same rows, seeds, epochs, batch size and number of tokens:
(foreshot) `foreshot.compare` from the call to its end: planning, teacher, the teacher's outputs, students, everything
that a comparison asks its models by default, statistics, verdict, report, and all that it saves and checks meanwhile;
(origin) a notebook: the teacher fine-tuned in random order, padded to the longest of a batch; each student that distils
with the teacher inside every step; LoRA by PEFT; then each model asked the same texts by `transformers.pipeline`,
32 at a time, as they come. It saves nothing, makes no statistics and no report, and reading the rows is not counted.
The texts are those that Foreshot itself asks: the parts of the data, suite, probes, disguises, texts without each of
their words, and those without their strongest words, which every model has others of. A notebook might not ask the
training rows again, so the ratio is also printed with the origin's seconds for them left out.
A ratio is of one turn; printed are medians with the smallest and largest.
"""

import argparse
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
from sklearn.metrics import f1_score

from foreshot.comparison.compare import compare
from foreshot.comparison.environment import describe_environment
from foreshot.comparison.inputs import (
    EVASIONS,
    EXPLAINED,
    LEFT_OUT,
    PROBES_ROWS,
    REDUCED,
    SUITE_ROWS,
    Inputs,
    read_inputs,
)
from foreshot.models.batches import encode
from foreshot.progress import Silent
from foreshot.settings.experiment import Experiment, Training
from foreshot.settings.recipes import DEFAULT_RECIPES
from foreshot.words.word_scores import leave_one_out_scores, reduced_texts, texts_left_out
from measures import spread, thread_settings
from origin import Asked, Classifier, new_classifier, train_as_origin, untrained

AIM = 4.0  # times as fast as the origin's way
TEACHER, TARGETS, STUDENTS, JUDGING = "teacher", "targets", "students", "judging"
Seconds = defaultdict[str, float]
STAGE_OF_A_MODEL = re.compile(r"(?P<what>\w+) (?P<model>[^,]+), seed (?P<seed>\d+)")


def seconds_by_name() -> Seconds:
    """Nothing counted yet."""
    return defaultdict(float)


@dataclass(kw_only=True)
class Run:
    """What one arm took in one turn: seconds in all, by part, and of each model; and what its models came to."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0  # of all threads, also while they spin
    parts: Seconds = field(default_factory=seconds_by_name)
    training: Seconds = field(default_factory=seconds_by_name)  # by "model, seed N"
    judging: Seconds = field(default_factory=seconds_by_name)  # likewise
    asking: Seconds = field(default_factory=seconds_by_name)  # by what was asked; of the origin's arm alone
    macro_f1: dict[str, list[float]] = field(default_factory=dict)  # on the test rows, by model


class Stopwatch(Silent):
    """Progress that notes the seconds of a comparison's stages, and when the first began and the last ended."""

    def __init__(self) -> None:
        self.stages = seconds_by_name()
        self.first_began: float | None = None
        self.last_ended = 0.0
        self._stage, self._began = "", 0.0

    def begin(self, stage: str, units: int) -> None:
        """Start a stage's clock."""
        self._stage, self._began = stage, perf_counter()
        self.first_began = self.first_began or self._began

    def end(self) -> None:
        """Stop the clock of the stage that began last."""
        self.last_ended = perf_counter()
        self.stages[self._stage] += self.last_ended - self._began


def foreshot_run(options: argparse.Namespace) -> Run:
    """The product's comparison, in a new folder; run in a process of its own."""
    experiment, watch, run = asked_for(options), Stopwatch(), Run()
    with TemporaryDirectory() as runs:
        began = perf_counter()
        results = compare(experiment, runs=runs, progress=watch)
        ended = perf_counter()
    run.seconds = ended - began
    for stage, seconds in watch.stages.items():
        add_stage(run, stage, seconds)
    run.parts["planning"] = (watch.first_began or ended) - began
    run.parts["statistics, verdict and report"] = ended - watch.last_ended
    run.parts["opening, saving and checking models"] = run.seconds - sum(run.parts.values())
    for model in results.models:
        run.macro_f1.setdefault(model.model, []).append(model.test.macro_f1)
    return run


def add_stage(run: Run, stage: str, seconds: float) -> None:
    """Count a stage in: of a model it is training or, under whatever name, judging."""
    found = STAGE_OF_A_MODEL.match(stage)
    if not found:
        run.parts[TARGETS if stage.startswith("teacher's outputs") else stage] += seconds
        return
    trains = found["what"] == "training"
    (run.training if trains else run.judging)[f"{found['model']}, seed {found['seed']}"] += seconds
    trained = TEACHER if found["model"] == TEACHER else STUDENTS
    run.parts[trained if trains else JUDGING] += seconds


def origin_run(options: argparse.Namespace) -> Run:
    """The same work as a notebook does it; run in a process of its own."""
    inputs = read_inputs(asked_for(options))
    texts, settings, run = texts_of(inputs), inputs.experiment.training, Run()
    labels, first = inputs.split.parts["train"].labels, inputs.experiment.first_seed
    began = perf_counter()
    rows = encode(texts["train"], inputs.tokenizer, settings.max_length)
    teacher = new_classifier(inputs, first)
    train_as_origin(teacher, rows, labels, settings, seed=first)
    run.training[f"{TEACHER}, seed {first}"] = run.parts[TEACHER] = perf_counter() - began
    ask(run, inputs, texts, teacher, TEACHER, first)
    for recipe in inputs.experiment.recipes:
        for seed in inputs.experiment.seeds:
            student_began = perf_counter()
            student = untrained(inputs, recipe, seed, teacher)
            taught_by = teacher if recipe.objective == "distil" else None
            train_as_origin(student, rows, labels, settings, seed=seed, teacher=taught_by)
            run.training[f"{recipe.name}, seed {seed}"] = perf_counter() - student_began
            run.parts[STUDENTS] += perf_counter() - student_began
            ask(run, inputs, texts, student, recipe.name, seed)
    run.seconds = perf_counter() - began
    return run


def ask(run: Run, inputs: Inputs, texts: dict[str, list[str]], model: Classifier, name: str, seed: int) -> None:
    """Ask a model of the origin's arm everything, and note the seconds."""
    began = perf_counter()
    asked, max_length = Asked(model, inputs.tokenizer, inputs.class_names), inputs.experiment.training.max_length
    answers = {}
    for what, own in sampled(texts, inputs).items():
        one_began = perf_counter()
        answers[what] = asked.probabilities(own, max_length)
        run.asking[what] += perf_counter() - one_began
    if LEFT_OUT in texts:
        one_began = perf_counter()
        asked.probabilities(without_strongest_words(inputs, answers), max_length)
        run.asking[REDUCED] += perf_counter() - one_began
    run.judging[f"{name}, seed {seed}"] = perf_counter() - began
    run.parts[JUDGING] += perf_counter() - began
    predicted = answers["test"].argmax(axis=1)
    macro_f1 = float(f1_score(inputs.split.parts["test"].labels, predicted, average="macro"))
    run.macro_f1.setdefault(name, []).append(macro_f1)


def sampled(texts: dict[str, list[str]], inputs: Inputs) -> dict[str, list[str]]:
    """What a model is asked: all texts, but of the training rows those that Foreshot asks."""
    return {**texts, "train": [texts["train"][row] for row in inputs.asked_training_rows]}


def without_strongest_words(inputs: Inputs, answers: dict[str, np.ndarray]) -> list[str]:
    """The explained texts without the words that did most to the model's answers, and with these alone."""
    explained, positive = inputs.explained, inputs.positive
    assert explained is not None  # or no words were left out
    assert positive is not None
    whole = answers[EXPLAINED]
    scores = leave_one_out_scores(explained, whole[:, positive], answers[LEFT_OUT][:, positive])
    return reduced_texts(explained, scores, whole.argmax(axis=1) == positive)


def texts_of(inputs: Inputs) -> dict[str, list[str]]:
    """All that a comparison asks each model, by name; raises ValueError when Foreshot asks others."""
    texts: dict[str, list[str]] = {name: list(part.texts) for name, part in inputs.split.parts.items()}
    texts[PROBES_ROWS] = [probe.text for probe in inputs.probes]
    texts[SUITE_ROWS] = [case.text for case in inputs.suite.cases] if inputs.suite else []
    texts[EVASIONS] = list(inputs.evasions.all_texts) if inputs.evasions else []
    texts[EXPLAINED] = list(inputs.explained.texts) if inputs.explained else []
    texts[LEFT_OUT] = texts_left_out(inputs.explained) if inputs.explained else []
    found = {name: own for name, own in texts.items() if own}
    for name in found.keys() | inputs.rows.keys():
        own = encode(found.get(name, []), inputs.tokenizer, inputs.experiment.training.max_length)
        if name not in inputs.rows or own.ids != inputs.rows[name].ids:
            raise ValueError(f"{name}: these are not the texts that a comparison asks")
    return found


def asked_for(options: argparse.Namespace) -> Experiment:
    """The comparison that the options name."""
    return Experiment(
        name="benchmark",
        data=options.data,
        text=options.text,
        label=options.label,
        positive=options.positive,
        encoder=options.encoder,
        max_train_rows=options.rows,
        recipes=options.recipes,
        seeds=options.seeds,
        training=Training(
            epochs=options.epochs,
            learning_rate=options.learning_rate,
            batch_size=options.batch_size,
            max_length=options.max_length,
            precision=options.precision,
        ),
    )


def in_a_process_of_its_own(work: Callable[[argparse.Namespace], Run], options: argparse.Namespace) -> Run:
    """The run, from a process that has done nothing else."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(with_cpu_seconds, work, options).result()


def with_cpu_seconds(work: Callable[[argparse.Namespace], Run], options: argparse.Namespace) -> Run:
    """The run, with what it took of the processor."""
    began = process_time()
    run = work(options)
    run.cpu_seconds = process_time() - began
    return run


def reported(turns: Sequence[dict[str, Run]]) -> dict[str, object]:
    """The figures of all turns."""
    ratios = [turn["origin"].seconds / turn["foreshot"].seconds for turn in turns]
    fewer = [(turn["origin"].seconds - turn["origin"].asking["train"]) / turn["foreshot"].seconds for turn in turns]
    arms = {arm: [turn[arm] for turn in turns] for arm in turns[0]}
    whole = spread(ratios)
    return {
        "seconds": {arm: spread([run.seconds for run in runs]) for arm, runs in arms.items()},
        "CPU seconds": {arm: spread([run.cpu_seconds for run in runs]) for arm, runs in arms.items()},
        "origin / foreshot": whole,
        "origin without asking the training rows / foreshot": spread(fewer),
        "aim": {"at least": AIM, "measured": whole["median"], "reached": whole["median"] >= AIM},
        "seconds by part": {arm: spreads([run.parts for run in runs]) for arm, runs in arms.items()},
        "origin / foreshot by part": {
            part: spread([turn["origin"].parts[part] / turn["foreshot"].parts[part] for turn in turns])
            for part in (TEACHER, STUDENTS, JUDGING)
            if all(part in turn[arm].parts for turn in turns for arm in turn)
        },
        "origin's seconds of asking": spreads([run.asking for run in arms["origin"]]),
        "judging / training of a student": {arm: judging_shares(runs) for arm, runs in arms.items()},
        "test macro-F1": {
            arm: {name: spread([one for run in runs for one in run.macro_f1[name]]) for name in runs[0].macro_f1}
            for arm, runs in arms.items()
        },
    }


def spreads(found: Sequence[Seconds]) -> dict[str, dict[str, float]]:
    """The spread over the turns of everything that was counted."""
    return {name: spread([one[name] for one in found]) for name in found[0]}


def judging_shares(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """Seconds of judging a student over seconds of training it, by recipe over seeds and turns, and of all together."""
    shares: dict[str, list[float]] = {}
    for run in runs:
        students = [name for name in run.training if not name.startswith(f"{TEACHER},")]
        for name in students:
            shares.setdefault(name.rpartition(",")[0], []).append(run.judging[name] / run.training[name])
        judged, trained = (sum(counted[name] for name in students) for counted in (run.judging, run.training))
        shares.setdefault("all students", []).append(judged / trained)
    return {recipe: spread(own) for recipe, own in shares.items()}


def main() -> None:
    """Parse, measure, print as JSON; each turn is told on stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="demo")
    parser.add_argument("--text")
    parser.add_argument("--label")
    parser.add_argument("--positive", type=lambda value: value.split(","))
    parser.add_argument("--encoder", default="demo")
    parser.add_argument("--recipes", type=lambda value: value.split(","), default=list(DEFAULT_RECIPES))
    parser.add_argument("--rows", type=int, default=1400, help="training rows at most")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=lambda value: [int(seed) for seed in value.split(",")], default=[0])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--precision", default="float32", help="of Foreshot's training; the origin's is float32")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    inputs = read_inputs(asked_for(options))
    load_before = os.getloadavg()[0]
    turns = []
    for number in range(1, options.turns + 1):
        turn = {
            "foreshot": in_a_process_of_its_own(foreshot_run, options),
            "origin": in_a_process_of_its_own(origin_run, options),
        }
        turns.append(turn)
        told = ", ".join(f"{arm} {run.seconds:.0f} s" for arm, run in turn.items())
        print(f"turn {number} of {options.turns}: {told}", file=sys.stderr, flush=True)
    report = {
        **vars(options),
        "texts asked of each model": {name: len(own) for name, own in texts_of(inputs).items()},
        "threads": describe_environment()["threads"],
        "thread settings": thread_settings(),
        "load before and after": [load_before, os.getloadavg()[0]],
        **reported(turns),
        "environment": describe_environment(),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
