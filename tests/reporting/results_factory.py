"""Results made by hand: small, plausible, and easy to bend for one test."""

import math
from collections.abc import Sequence

from bias_factory import make_identity_bias
from judged_factory import GROUPS, KINDS, judged, scores
from reasons_factory import make_reasons

from foreshot.judging.summary import summarise
from foreshot.results.behaviour import Probe, ProbeAnswer
from foreshot.results.models import (
    ClassMetrics,
    Cost,
    CurvePoint,
    Loss,
    ModelResult,
    TestMetrics,
    Timing,
    TrainingFacts,
    Trial,
)
from foreshot.results.results import Conditions, DataFacts, EncoderFacts, Made, PartFacts, Results
from foreshot.settings.losses import Classification, Distillation

PROBES = (
    Probe(text="idiot", label="toxic", note="derogatory word alone"),
    Probe(text="You're an idiot and nobody should take your advice.", label="toxic", note="inside a sentence"),
    Probe(text="moron", label="toxic", note="derogatory word alone"),
    Probe(text="I felt like an idiot for locking myself out.", label="benign", note="said of oneself"),
    Probe(text="There are no stupid questions in this class.", label="benign", note="negated"),
)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "a | b ` c ``` d",
    "safe \u202etxet desrever",
    "\x1b[31mred\x1b[0m \x07bell",
    "[click](javascript:alert(3)) https://evil.example www.evil.example me@evil.example",
    "line\nbreak\r\nand\ttab\u2028end",
    "{{ 7*7 }}{% raw %}",
    "$x^2$ _emphasis_ **bold** ~~gone~~",
    "[red]markup[/red]",
    "</style><style>*{display:none}</style>",
    "&lt;b&gt; &amp;",
    "x" * 2000,
)
# P(toxic) for each of PROBES.
SCORES = {
    "teacher": (0.91, 0.97, 0.88, 0.31, 0.06),
    "odd": (0.83, 0.95, 0.79, 0.64, 0.08),
    "even": (0.85, 0.96, 0.58, 0.41, 0.11),
    "lora": (0.22, 0.61, 0.18, 0.27, 0.04),
    "odd-lora": (0.57, 0.74, 0.44, 0.35, 0.07),
}
LAYERS = {"odd": [1, 3, 5], "even": [2, 4, 6], "odd-lora": [1, 3, 5]}
BASE_LOSS = {"teacher": 0.1412, "odd": 0.1592, "even": 0.1604, "lora": 0.0561, "odd-lora": 0.2017}
USUAL = "even"  # a student without numbers of its own gets this one's
FLIP_TEXTS = (
    "You people should go back to where you came from.",
    "Nobody asked you, clown, and nobody ever will.",
    "I'd love to see someone shut him up for good.",
    "This recipe is a crime against pasta and I want the chef arrested.",
    "My queer little book club is open to everybody on Thursdays.",
)


def make_results(
    *,
    models: Sequence[str] = tuple(SCORES),
    seeds: Sequence[int] = (0,),
    classes: Sequence[str] = ("benign", "toxic"),
    positive: str | None = "toxic",
    probes: Sequence[Probe] = PROBES,
    synthetic: bool = True,
    given_teacher: bool = False,
    unmatched: Sequence[str] = (),
    has_auroc: bool = True,
    name: str = "demo",
    text_column: str = "text",
    announcements: Sequence[str] = ("synthetic data: 3% of the training labels are flipped on purpose",),
    command: str = "foreshot compare --demo",
    kinds: Sequence[tuple[str, int]] = KINDS,
    flip_texts: Sequence[str] = FLIP_TEXTS,
    group_names: Sequence[str] = GROUPS,
    trials: Sequence[Trial] = (),
    identities: Sequence[str] = (),
    explained: Sequence[str] = (),
    rationales: bool = True,
    verdict_notes: Sequence[str] = (),
) -> Results:
    """Results of these models; the teacher has the first seed alone, as in every run. No suite without kinds.

    The `explained` texts are the examples of why models decide; without any nothing is said of it.
    """
    label = positive or classes[0]
    other = next(name for name in classes if name != label)
    runs = [(model, seed) for model in models for seed in (seeds[:1] if model == "teacher" else seeds)]
    made = [
        _model(
            model,
            seed,
            list(classes),
            positive,
            probes,
            training=None if given_teacher and model == "teacher" else _training(model, seed, model in unmatched),
            has_auroc=has_auroc,
        )
        for model, seed in runs
    ]
    firsts = [next(result for result in made if result.model == model) for model in models]
    found = judged(
        tuple(models),
        tuple(seeds),
        tuple(classes),
        positive,
        tuple(kinds),
        tuple(_mean_macro_f1(made, model) for model in models),
        tuple(result.cost.layers for result in firsts),
        tuple(flip_texts),
        tuple(group_names),
    )
    counts = {class_name: 100 + 50 * index for index, class_name in enumerate(classes)}
    return Results(
        name=name,
        command=command,
        conditions=_conditions(seeds),
        data=DataFacts(
            synthetic=synthetic,
            text_column=text_column,
            label_column="label",
            classes=list(classes),
            positive=positive,
            normalisation="HTML entities decoded once; Unicode NFC",
            parts={
                part: PartFacts(source=f"corpus, {part}", rows=sum(counts.values()), class_counts=counts)
                for part in ("train", "validation", "test")
            },
            duplicates_removed={"train": 17, "validation": 0},
            label_conflicts=4,
            skipped_rows=0,
            announcements=list(announcements),
            fingerprint="00112233aabbccdd",
        ),
        encoder=EncoderFacts(
            name="all-MiniLM-L6-v2",
            architecture="BertModel",
            layers=6,
            hidden_size=384,
            fingerprint="ddccbbaa33221100",
        ),
        models=made,
        summaries=summarise(made, list(probes), positive),
        probes=list(probes),
        suite=found.suite,
        suite_results=found.suite_results,
        evasion=found.evasion,
        identity_bias=make_identity_bias(tuple(models), tuple(seeds), tuple(identities)) if identities else None,
        reasons=make_reasons(models, explained, label, other, rationales) if explained else None,
        comparisons=found.comparisons,
        flips=found.flips,
        flip_counts=found.flip_counts,
        trials=list(trials),
        verdict=found.verdict.model_copy(update={"notes": list(verdict_notes)}),
        timing=[_timing(result) for result in made],
        made=Made(
            at="2025-03-01T12:00:00+00:00",
            seconds=321.5,
            environment={"python": "3.11.9", "versions": {"torch": "2.6.0"}, "machine": {"cores": 2}},
        ),
    )


def make_hostile_results() -> Results:
    """Results whose every text is hostile: classes, probes, notes, suite, column, announcements, command, name."""
    classes = [HOSTILE[0], HOSTILE[2] + HOSTILE[1]]
    probes = [
        Probe(text=text, label=classes[index % 2], note=HOSTILE[-2 - index % 5]) for index, text in enumerate(HOSTILE)
    ]
    return make_results(
        classes=classes,
        positive=classes[1],
        probes=probes,
        name=HOSTILE[4],
        text_column=HOSTILE[3],
        announcements=HOSTILE,
        command="foreshot compare --data '```\n<script>alert(4)</script>'",
        kinds=[(f"{text} group", index % 2) for index, text in enumerate(HOSTILE)],
        flip_texts=HOSTILE,
        group_names=HOSTILE,
        identities=HOSTILE,
        explained=HOSTILE,
        verdict_notes=HOSTILE,
    )


def make_trials() -> list[Trial]:
    """A search over three learning rates; lora does best at 5e-4, odd at the common one."""
    tried = {"odd": (0.941, 0.938, 0.902), "lora": (0.911, 0.935, 0.952)}
    return [
        Trial(
            recipe=recipe,
            learning_rate=rate,
            validation_macro_f1=score,
            validation_cross_entropy=1 - score,
            best=score == max(found),
        )
        for recipe, found in tried.items()
        for rate, score in zip((5e-5, 2e-4, 5e-4), found, strict=True)
    ]


def _mean_macro_f1(made: Sequence[ModelResult], model: str) -> float:
    found = [result.test.macro_f1 for result in made if result.model == model]
    return sum(found) / len(found)


def _model(
    model: str,
    seed: int,
    classes: list[str],
    positive: str | None,
    probes: Sequence[Probe],
    *,
    training: TrainingFacts | None,
    has_auroc: bool,
) -> ModelResult:
    size = len(classes)
    matrix = [[90 - 3 * seed if true == predicted else 10 + true for predicted in range(size)] for true in range(size)]
    layers = LAYERS.get(model, [1, 2, 3, 4, 5, 6])
    shift = 0.0021 * seed
    loss = BASE_LOSS.get(model, BASE_LOSS[USUAL])
    decision, before, after, policies = scores(model, seed, tuple(classes), positive)
    return ModelResult(
        model=model,
        seed=seed,
        recipe=None if model == "teacher" else _recipe(model),
        layer_map=layers,
        training=training,
        train_cross_entropy=loss * 0.8 + shift,
        test=TestMetrics(
            cross_entropy=loss + 0.1234 + shift,
            accuracy=0.9772 - loss / 10 - shift,
            macro_f1=0.9481 - loss / 10 - shift,
            mcc=0.8888 - shift,
            auroc=0.9871 - shift if has_auroc else None,
            average_precision=0.9555 - shift if has_auroc else None,
            classes=[
                ClassMetrics(name=name, precision=0.91 + index / 100, recall=0.87, f1=0.889, support=100 + index)
                for index, name in enumerate(classes)
            ],
            confusion_matrix=matrix,
        ),
        cost=Cost(
            layers=len(layers),
            parameters=22_713_986 if len(layers) == 6 else 17_390_210,
            trained_parameters=0 if training is None else 221_570 if "lora" in model else 22_713_986,
            size_on_disk=90_866_120 if len(layers) == 6 else 69_570_000,
        ),
        probes=[_answer(model, seed, index, classes, positive) for index in range(len(probes))],
        decision=decision,
        calibration=before,
        calibration_after_scaling=after,
        policies=policies,
        folder="teacher" if model == "teacher" else f"students/{model}/seed-{seed}",
        fingerprint=f"{model[:4]:0<8}{seed:08}",
    )


def _recipe(model: str) -> dict[str, str | list[int] | float | None]:
    return {
        "name": model,
        "layers": model.split("-")[0] if model in LAYERS else "all",
        "tuning": "lora" if "lora" in model else "full",
        "objective": "labels" if model == "lora" else "distil",
        "init": "encoder" if model == "lora" else "teacher",
        "learning_rate": None,
    }


def _answer(model: str, seed: int, index: int, classes: list[str], positive: str | None) -> ProbeAnswer:
    score = max(0.01, SCORES.get(model, SCORES[USUAL])[index % len(PROBES)] - 0.05 * seed)
    if positive is None:
        return ProbeAnswer(predicted=classes[index % len(classes)], score=score)
    other = next(name for name in classes if name != positive)
    return ProbeAnswer(predicted=positive if score > 0.5 else other, score=score)


def _training(model: str, seed: int, unmatched: bool) -> TrainingFacts:
    distils = model not in ("teacher", "lora")

    def loss(progress: float) -> Loss:
        low = BASE_LOSS.get(model, BASE_LOSS[USUAL]) + 0.002 * seed
        fall = math.exp(-4 * progress)
        classification = low + 0.55 * fall + 0.02 * math.sin(40 * progress + seed)
        if not distils:
            return Loss(objective=classification, classification=classification)
        divergence, cosine = 0.4 * low + 0.9 * fall, 0.5 * low + 0.3 * fall
        return Loss(
            objective=(classification + divergence + cosine) / 3,
            classification=classification,
            divergence=divergence,
            cosine=cosine,
        )

    steady = 0.0125 + 0.001 * seed
    final = loss(1.0).model_copy(update={"objective": BASE_LOSS.get(model, BASE_LOSS[USUAL]) + 0.002 * seed})
    return TrainingFacts(
        rows=250,
        epochs=3,
        steps=300,
        batch_size=32,
        learning_rate=2e-4 if unmatched else 5e-5,
        matched=not unmatched,
        final=final,
        epoch_means=[loss(0.2), loss(0.6), final],
        steadiness=Loss(
            objective=steady,
            classification=steady * 2,
            divergence=steady / 2 if distils else None,
            cosine=steady / 4 if distils else None,
        ),
        curve=[CurvePoint(step=3 * index, loss=loss(index / 100)) for index in range(1, 101)],
    )


def _timing(result: ModelResult) -> Timing:
    trained = result.training is not None
    seconds = 12.0 * result.cost.layers + result.seed
    return Timing(
        model=result.model,
        seed=result.seed,
        training_seconds=seconds if trained else None,
        training_cpu_seconds=1.9 * seconds if trained else None,
        training_rows_per_second=750 / seconds if trained else None,
        test_rows_per_second=1234.0,
        peak_memory=812.0 if trained else None,
    )


def _conditions(seeds: Sequence[int]) -> Conditions:
    return Conditions(
        seeds=list(seeds),
        epochs=3,
        batch_size=32,
        max_length=128,
        learning_rate=5e-5,
        steps=300,
        optimizer="AdamW, linear decay",
        classification=Classification(),
        distillation=Distillation(),
        lora_rank=8,
        lora_alpha=16,
        lora_dropout=0.1,
    )
