"""Training by hidden states, by relations and by texts without labels: what a student comes nearer to."""

import random

import numpy as np
import pytest
import torch
from tiny_models import tiny_classifier, tiny_tokenizer

from foreshot.models.batches import EncodedRows, mixed_batches
from foreshot.models.outputs import Outputs, model_outputs
from foreshot.models.states import NOTHING, Look
from foreshot.models.students import add_lora, keep_layers
from foreshot.progress import Silent
from foreshot.settings.experiment import Training
from foreshot.settings.losses import Classification, Distillation, LossWeights, Ramp, RelationLoss
from foreshot.settings.recipes import Lora
from foreshot.training.loop import Teaching, train
from foreshot.training.losses import hidden_loss, relation_loss
from foreshot.training.seeding import generator
from foreshot.training.teacher_states import live_teacher

CLS, SEP, TOXIC_WORD = 2, 3, 7
ROWS = 24
TEACHER_LOOK = Look(layers=(2, 4), projections_of=4)
STUDENT_LOOK = Look(layers=(1, 2), projections_of=2)
RELATIONS = RelationLoss(heads=2)


def rows_with(certain_words: tuple[int, ...], count: int = ROWS, seed: int = 5) -> EncodedRows:
    """Rows of some words; every other row has one of the certain ones, where there are any."""
    rng = random.Random(seed)
    ids = []
    for row in range(count):
        words = [rng.randrange(10, 40) for _ in range(rng.randrange(2, 6))]
        if certain_words and row % 2:
            words[rng.randrange(len(words))] = certain_words[row % len(certain_words)]
        ids.append([CLS, *words, SEP])
    return EncodedRows(ids=ids, tokenizer=tiny_tokenizer())


ENCODED = rows_with(())
LABELS = [row % 2 for row in range(ROWS)]


def teach(student, weights: LossWeights, *, teacher, rows=ENCODED, unlabelled=None, labels=LABELS, **settings):
    everything = rows.followed_by(unlabelled) if unlabelled else rows
    looks_inside = weights.ever("hidden") or weights.ever("relations")
    look = Look(
        layers=STUDENT_LOOK.layers if weights.ever("hidden") else (),
        projections_of=STUDENT_LOOK.projections_of if weights.ever("relations") else None,
    )
    of_teacher = Look(
        layers=TEACHER_LOOK.layers if look.layers else (),
        projections_of=TEACHER_LOOK.projections_of if look.projections_of else None,
    )
    share = {"unlabelled_share": settings.pop("unlabelled_share")} if "unlabelled_share" in settings else {}
    return train(
        student,
        rows,
        labels,
        settings=Training(**{"batch_size": 8, "epochs": 15, **settings}),
        learning_rate=3e-3,
        seed=0,
        teaching=Teaching(
            settings=Distillation(weights=weights, relations=RELATIONS, **share),
            outputs=model_outputs(teacher, everything),
            unlabelled=unlabelled,
            look=look if looks_inside else NOTHING,
            states=live_teacher(teacher, everything, of_teacher, first_token=False) if looks_inside else None,
        ),
        progress=Silent(),
    )


def only(**weights) -> LossWeights:
    return LossWeights(**{"classification": 0, "divergence": 0, "cosine": 0, **weights})


def distances(student, teacher) -> dict[str, float]:
    """How far a student's states and relations are from the teacher's, in evaluation mode."""
    rows = np.arange(ROWS)
    states, projections = live_teacher(teacher, ENCODED, TEACHER_LOOK, first_token=False)(rows)
    own_states, own_projections = live_teacher(student, ENCODED, STUDENT_LOOK, first_token=False)(rows)
    mask = torch.tensor([[1] * length + [0] * (ENCODED.lengths.max() - length) for length in ENCODED.lengths])
    return {
        "hidden": hidden_loss(own_states, states, mask).item(),
        "relations": relation_loss(own_projections, projections, mask, RELATIONS.heads).item(),
    }


@pytest.mark.parametrize("name", ["hidden", "relations"])
def test_what_is_compared_comes_nearer_to_the_teachers(name):
    teacher, student = tiny_classifier("bert", 4, seed=9), tiny_classifier("bert", 2, seed=1)
    before = distances(student, teacher)
    history = teach(student, only(**{name: 1}), teacher=teacher)
    assert distances(student, teacher)[name] < before[name] / 2
    losses = history.losses[name]
    assert losses[-3:].mean() < losses[:3].mean()
    assert np.allclose(history.losses["objective"], losses, rtol=1e-5)
    other = {"hidden": "relations", "relations": "hidden"}[name]
    assert other not in history.losses  # what weighs nothing isn't looked at


@pytest.mark.parametrize("architecture", ["deberta-v2", "modernbert", "mpnet", "distilbert"])
def test_other_architectures_come_nearer_too(architecture):
    teacher = tiny_classifier(architecture, 4, seed=9)
    student = keep_layers(teacher, (1, 4))
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    before = distances(student, teacher)
    teach(student, only(hidden=1, relations=1), teacher=teacher)
    after = distances(student, teacher)
    assert after["hidden"] < before["hidden"] * 0.8
    assert after["relations"] < before["relations"] * 0.8


def test_the_first_distance_is_that_of_the_untrained_student():
    teacher, student = tiny_classifier("bert", 4, seed=9), tiny_classifier("bert", 2, seed=1)
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    before = distances(student, teacher)
    history = teach(student, only(hidden=1, relations=2), teacher=teacher, batch_size=ROWS, epochs=1)
    assert history.losses["hidden"] == pytest.approx([before["hidden"]], rel=1e-4)
    assert history.losses["relations"] == pytest.approx([before["relations"]], rel=1e-3)
    assert history.losses["objective"] == pytest.approx([before["hidden"] + 2 * before["relations"]], rel=1e-3)


def test_a_student_with_lora_comes_nearer_by_its_adapters():
    teacher, plain = tiny_classifier("bert", 4, seed=9), tiny_classifier("bert", 2, seed=1)
    before = distances(plain, teacher)
    student = add_lora(plain, Lora(rank=4, dropout=0), seed=0, base_name="base")
    frozen = {name: tensor.clone() for name, tensor in student.named_parameters() if not tensor.requires_grad}
    teach(student, only(hidden=1), teacher=teacher)
    assert distances(student, teacher)["hidden"] < before["hidden"] * 0.9
    assert all(torch.equal(frozen[name], tensor) for name, tensor in student.named_parameters() if name in frozen)


def test_a_ramp_goes_from_the_first_update_to_the_last():
    teacher, student = tiny_classifier("bert", 4, seed=9), tiny_classifier("bert", 2, seed=1)
    weights = only(hidden=Ramp(start=1, end=0), divergence=Ramp(start=0, end=1))
    losses = teach(student, weights, teacher=teacher, epochs=2).losses
    share = np.linspace(0, 1, 6)  # 2 epochs of 3 batches
    expected = (1 - share) * losses["hidden"] + share * losses["divergence"]
    assert losses["objective"] == pytest.approx(expected, rel=1e-4)


# ---- texts without labels ----


def certain_teacher(student_rows: EncodedRows, said: list[int]) -> Outputs:
    logits = np.array([[4.0, -4.0] if answer == 0 else [-4.0, 4.0] for answer in said], dtype=np.float32)
    return Outputs(logits=logits, representations=np.ones((len(student_rows), 16), dtype=np.float32))


def taught_by_answers(unlabelled: EncodedRows | None, *, share: float = 0.75, epochs: int = 40):
    """A student whose labels say nothing, and whose teacher tells rows apart by one word of the unlabelled texts."""
    student = tiny_classifier("bert", 2)
    rows = ENCODED.followed_by(unlabelled) if unlabelled else ENCODED
    answers = [int(TOXIC_WORD in ids) for ids in rows.ids]
    history = train(
        student,
        ENCODED,
        LABELS,
        settings=Training(batch_size=8, epochs=epochs),
        learning_rate=3e-3,
        seed=0,
        teaching=Teaching(
            settings=Distillation(weights=only(divergence=1), unlabelled_share=share),
            outputs=certain_teacher(rows, answers),
            unlabelled=unlabelled,
        ),
        progress=Silent(),
    )
    return student, history


def accuracy(student) -> float:
    fresh = rows_with((TOXIC_WORD,), count=60, seed=77)
    answers = [int(TOXIC_WORD in ids) for ids in fresh.ids]
    return float((model_outputs(student, fresh).logits.argmax(axis=1) == answers).mean())


def test_a_student_learns_from_the_teachers_answers_on_texts_without_labels():
    unlabelled = rows_with((TOXIC_WORD,), count=60, seed=6)
    assert not any(TOXIC_WORD in ids for ids in ENCODED.ids)  # no labelled row has the word
    taught, history = taught_by_answers(unlabelled)
    untaught, history_without = taught_by_answers(None)
    assert accuracy(taught) > 0.95
    assert accuracy(untaught) < 0.7
    assert len(history.losses["objective"]) == len(history_without.losses["objective"]) == 40 * 3
    assert history.steps_per_epoch == history_without.steps_per_epoch == 3


def test_a_share_of_nothing_leaves_them_out():
    unlabelled = rows_with((TOXIC_WORD,), count=40, seed=6)
    left_out, history = taught_by_answers(unlabelled, share=0.0, epochs=2)
    without, same = taught_by_answers(None, epochs=2)
    assert np.array_equal(history.losses["objective"], same.losses["objective"])
    assert all(torch.equal(one, other) for one, other in zip(left_out.parameters(), without.parameters(), strict=True))


def test_states_of_rows_without_labels_are_compared_too():
    teacher, student = tiny_classifier("bert", 4, seed=9), tiny_classifier("bert", 2, seed=1)
    unlabelled = rows_with((TOXIC_WORD,), count=40, seed=6)
    asked = []
    everything = ENCODED.followed_by(unlabelled)
    ask = live_teacher(teacher, everything, Look(layers=TEACHER_LOOK.layers), first_token=False)
    train(
        student,
        ENCODED,
        LABELS,
        settings=Training(batch_size=8, epochs=2),
        learning_rate=1e-3,
        seed=3,
        teaching=Teaching(
            settings=Distillation(weights=LossWeights(hidden=1), unlabelled_share=0.25),
            outputs=model_outputs(teacher, everything),
            unlabelled=unlabelled,
            look=Look(layers=STUDENT_LOOK.layers),
            states=lambda rows: asked.append(rows.tolist()) or ask(rows),
        ),
        progress=Silent(),
    )
    epochs = mixed_batches(everything.lengths, 8, generator(3, "batches"), labelled=ROWS, unlabelled_share=0.25)
    assert asked == [rows.tolist() for _ in range(2) for rows in next(epochs)]
    assert all(max(rows) >= ROWS for rows in asked)


# ---- labels ----


def test_several_labels_are_learnt_at_once():
    ids = [[CLS, first, second, SEP] for first in (7, 10) for second in (8, 11)] * 8
    rows = EncodedRows(ids=ids, tokenizer=tiny_tokenizer())
    labels = np.array([[word in row for word in (7, 8)] for row in ids], dtype=np.float32)
    student = tiny_classifier("bert", 1)
    history = train(
        student,
        rows,
        labels,
        settings=Training(batch_size=16, epochs=40, classification=Classification(class_weights="balanced")),
        learning_rate=3e-3,
        seed=0,
        progress=Silent(),
    )
    assert ((model_outputs(student, rows).logits > 0) == labels).all(axis=1).mean() > 0.95
    assert history.losses["objective"][-4:].mean() < 0.4 < history.losses["objective"][0]


def test_weights_of_classes_reach_the_training():
    """Where nothing tells the classes apart, a student says what the weighted rows are mostly of."""
    labels = [0] * 18 + [1] * 6
    same = EncodedRows(ids=[[CLS, 10, SEP]] * ROWS, tokenizer=tiny_tokenizer())

    def says(class_weights) -> float:
        model = tiny_classifier("bert", 1)
        classification = Classification(class_weights=class_weights)
        train(
            model,
            same,
            labels,
            settings=Training(batch_size=ROWS, epochs=60, classification=classification),
            learning_rate=3e-3,
            seed=0,
            progress=Silent(),
        )
        logits = model_outputs(model, same).logits[0]
        return float(1 / (1 + np.exp(logits[0] - logits[1])))

    assert says(None) == pytest.approx(0.25, abs=0.05)
    assert says("balanced") == pytest.approx(0.5, abs=0.05)
    assert says((1.0, 9.0)) == pytest.approx(0.75, abs=0.05)
