"""Training and scoring on a device that is not the CPU; run by `test_on_another_device.py`, in a process of its own."""

import importlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from simulated_device import BACKEND, DEVICE, NAME, Simulation
from test_checkpoints import KINDS, Stopped, Told, assert_same
from test_loop_teaching import ENCODED, LABELS
from tiny_models import CONFIGS, tiny_classifier, tiny_tokenizer
from torch.utils.checkpoint import set_checkpoint_early_stop

from foreshot.comparison.compare import compare
from foreshot.data.table import read_texts
from foreshot.models.batches import collate, moved
from foreshot.models.classifiers import HubClassifier
from foreshot.models.importance import block_influence, greedy_removal
from foreshot.models.outputs import model_outputs
from foreshot.models.states import Look, check_look
from foreshot.models.students import keep_layers
from foreshot.progress import Silent
from foreshot.runtime.words import words_of
from foreshot.settings.experiment import Training, make_experiment
from foreshot.settings.losses import Classification
from foreshot.training.checkpoints import CHECKPOINT_FILE, Checkpointing
from foreshot.training.device import CPU, standing_on
from foreshot.training.loop import train
from foreshot.training.loss_log import FETCH_EVERY
from foreshot.training.teacher_states import CacheFacts, live_teacher, read_cache, write_cache
from foreshot.words.gradients import Target, attribute

MIXED = "Expected all tensors to be on the same device"
ALIKE = {"rtol": 1e-5, "atol": 1e-6}
"""Attention is one operator on the CPU and several on the device."""


@pytest.fixture(autouse=True)
def the_same_dropout(monkeypatch) -> None:
    """PyTorch's own everywhere, since ours is the CPU's alone."""
    monkeypatch.setattr("foreshot.training.loop.quick_dropout", nullcontext)


@pytest.fixture(autouse=True)
def simulation() -> Iterator[None]:
    # An error in the backward pass ends the process there, and checkpointing stops early by one.
    with Simulation(), set_checkpoint_early_stop(False):
        yield


def trained(kind: str, device: torch.device, file: Path | None = None, progress=None, **changed):
    """As in test_checkpoints, with attention that is computed by the same operators everywhere."""
    make, teaching, settings = KINDS[kind]
    model = make()
    model.set_attn_implementation("eager")
    history = train(
        model,
        ENCODED,
        LABELS,
        settings=Training(**{"batch_size": 8, "epochs": 2, **settings, **changed}),
        learning_rate=3e-3,
        seed=3,
        teaching=teaching(),
        checkpointing=Checkpointing(folder=file.parent, made_from="abc", every=0.0) if file else None,
        device=device,
        progress=progress or Silent(),
    )
    return model, history


BALANCED = Classification(class_weights="balanced")
HOW = [
    *((kind, {}) for kind in KINDS),
    ("unlabelled", {"accumulate": 2, "classification": BALANCED}),
    ("live teacher", {"accumulate": 2, "gradient_checkpointing": True}),
]


@pytest.mark.parametrize(
    ("kind", "changed"), HOW, ids=lambda value: value if isinstance(value, str) else ",".join(value)
)
def test_a_training_there_gives_the_bits_that_it_gives_on_the_cpu(kind, changed):
    there = trained(kind, DEVICE, **changed)
    assert {tensor.device for tensor in there[0].state_dict().values()} == {CPU}
    assert_same(there, trained(kind, CPU, **changed))


@pytest.mark.parametrize("kind", ["labels", "live teacher"])
def test_one_that_was_stopped_there_ends_with_the_same_bits(kind, tmp_path):
    file = tmp_path / "one" / CHECKPOINT_FILE
    with pytest.raises(Stopped):
        trained(kind, DEVICE, file, Told(4))
    BACKEND.manual_seed_all(99)  # what another process left
    told = Told()
    assert_same(trained(kind, DEVICE, file, told), trained(kind, DEVICE))
    assert told.said == []
    assert told.skipped == 3 * 8


def test_a_training_does_not_go_on_on_another_device_or_in_other_parts(tmp_path):
    file = tmp_path / "one" / CHECKPOINT_FILE
    with pytest.raises(Stopped):
        trained("labels", DEVICE, file, Told(3))
    saved = file.read_bytes()
    for device, changed in ((CPU, {}), (DEVICE, {"accumulate": 2})):
        file.write_bytes(saved)
        told = Told(1)
        with pytest.raises(Stopped):
            trained("labels", device, file, told, **changed)
        assert told.skipped == 0
        assert "was computed on another device, in another precision or in other parts" in told.said[0]


def test_losses_are_fetched_many_at_once_and_all_of_them():
    told = Told()
    _, history = trained("labels", DEVICE, progress=told, epochs=9)
    assert told.steps == 27 > FETCH_EVERY
    assert {len(values) for values in history.losses.values()} == {27}


def test_an_error_leaves_the_model_on_the_cpu():
    model = tiny_classifier("bert", 2)
    with pytest.raises(Stopped):
        train(
            model, ENCODED, LABELS, settings=Training(batch_size=8, epochs=1), learning_rate=1e-3, seed=0,
            device=DEVICE, progress=Told(2),
        )  # fmt: skip
    assert {parameter.device for parameter in model.parameters()} == {CPU}
    assert type(model.get_input_embeddings()) is torch.nn.Embedding


@pytest.mark.parametrize("place", ["training.loop.moved", "training.teacher_states.moved", "models.outputs.moved"])
def test_a_tensor_that_is_left_behind_is_seen(place, monkeypatch):
    """These tests can fail: a batch that isn't moved stops a training, a live teacher and a scoring."""
    teaching = KINDS["live teacher"][1]()
    model = tiny_classifier("bert", 2)
    monkeypatch.setattr(f"foreshot.{place}", lambda tensors, _: tensors)

    def on_the_device():
        with standing_on(model, DEVICE):
            if place.startswith("training.teacher"):
                teacher = tiny_classifier("bert", 2).to(DEVICE)
                live_teacher(teacher, ENCODED, Look(layers=(1,)), first_token=False)(np.arange(3))
            elif place.startswith("training"):
                trained("distil", DEVICE)
            else:
                model_outputs(model, ENCODED)

    assert teaching is not None
    with pytest.raises(RuntimeError, match=MIXED):
        on_the_device()


@pytest.mark.parametrize("architecture", CONFIGS)
def test_what_a_model_says_there_is_what_it_says_on_the_cpu(architecture):
    model = tiny_classifier(architecture, 2, labels=3)
    here = model_outputs(model, ENCODED, batch_size=5)
    with standing_on(model, DEVICE):
        there = model_outputs(model, ENCODED, batch_size=5)
    assert np.allclose(there.logits, here.logits, **ALIKE)
    assert np.allclose(there.representations, here.representations, **ALIKE)


def test_layers_are_measured_there_as_on_the_cpu():
    model = tiny_classifier("bert", 3)
    check_look(model.to(DEVICE), Look(layers=(1, 2, 3)))
    assert keep_layers(model, (1, 3)).device == DEVICE
    there = block_influence(model, ENCODED), greedy_removal(model, ENCODED, lambda logits: float(logits[:, 0].mean()))
    model.to(CPU)
    here = block_influence(model, ENCODED), greedy_removal(model, ENCODED, lambda logits: float(logits[:, 0].mean()))
    assert np.allclose(there[0], here[0], **ALIKE)
    assert [number for number, _ in there[1]] == [number for number, _ in here[1]]


@pytest.mark.parametrize("architecture", ["bert", "deberta-v2"])
def test_words_are_scored_there_as_on_the_cpu(architecture):
    model, tokenizer, text = tiny_classifier(architecture, 2), tiny_tokenizer(), "w1 w2 w7"

    def scores() -> np.ndarray:
        asked = {"max_length": 16, "baselines": ("pad", "zero", "mean"), "steps": 4}
        (found,) = attribute(model, tokenizer, [text], [words_of(text)], [Target(index=1)], **asked)
        return np.array([*found.scores, found.rest, found.log_odds, *found.deltas.values()])

    here = scores()
    with standing_on(model, DEVICE):
        assert np.allclose(scores(), here, **ALIKE)


@pytest.mark.parametrize("first_token", [False, True])
def test_a_teachers_states_from_there_are_those_of_the_cpu(tmp_path, first_token):
    teacher, look, rows = tiny_classifier("bert", 3), Look(layers=(1, 3), projections_of=2), np.arange(7)
    facts = CacheFacts(look=look, first_token=first_token, lengths=ENCODED.lengths, hidden_size=16, precision="float32")
    here = live_teacher(teacher, ENCODED, look, first_token=first_token)(rows)
    teacher.to(DEVICE)
    write_cache(teacher, ENCODED, facts, tmp_path, Silent())
    cached = read_cache(facts, tmp_path)(rows)
    live = live_teacher(teacher, ENCODED, look, first_token=first_token)(rows)
    mask = collate(ENCODED, rows)["attention_mask"].bool()
    for expected, one, other in zip(here, cached, live, strict=True):
        assert (one.device.type, other.device.type) == ("cpu", NAME)
        real = slice(None) if expected.shape[2] == 1 else mask[:, None, :].expand(expected.shape[:3])
        assert torch.allclose(one[real], expected[real], **ALIKE)
        assert torch.allclose(other.cpu()[real], expected[real], **ALIKE)


def test_what_stands_on_the_device_is_not_moved_again():
    there = torch.ones(3, device=DEVICE)
    assert moved({"a": there}, DEVICE)["a"] is there


ASKS_A_MODEL = [
    *("comparison.scores.model_outputs", "comparison.word_scoring.attribute"),
    *("comparison.layer_measures.block_influence", "comparison.layer_measures.greedy_removal"),
    "comparison.targets.write_cache",
]


def watched(monkeypatch: pytest.MonkeyPatch, name: str) -> set[torch.device]:
    """Where the models stand that a function is asked about, in the end."""
    found: set[torch.device] = set()
    module, _, function = f"foreshot.{name}".rpartition(".")
    original = getattr(importlib.import_module(module), function)

    def watching(model, *given, **options):
        found.add(model.device)
        return original(model, *given, **options)

    monkeypatch.setattr(f"foreshot.{name}", watching)
    return found


def test_a_whole_comparison_there_ends(comments, encoder, probes, suite, tmp_path, monkeypatch):
    """With LoRA, measured layers, hidden states and word scores; what was asked there is what the saved model says."""
    monkeypatch.setattr("foreshot.comparison.inputs.find_device", lambda _: DEVICE)
    monkeypatch.setattr("foreshot.reporting.drawing.Drawing.svg", "")  # which is done on no device
    monkeypatch.setattr("foreshot.judging.guards.check_beats_majority", lambda *_, **__: None)  # after so few steps
    asked_on = {name: watched(monkeypatch, name) for name in ASKS_A_MODEL}
    hidden = {"weights": {"hidden": 1.0}, "teacher_states": "cached"}
    own = {"tuning": "full", "objective": "distil", "init": "teacher"}
    experiment = make_experiment(
        {
            **{"name": "there", "data": str(comments), "text": "comment", "label": "toxic", "encoder": str(encoder)},
            **{"probes": str(probes), "suite": str(suite), "layer_sample": 16, "max_train_rows": 64},
            "training": {"epochs": 2, "learning_rate": 0.004, "batch_size": 16, "max_length": 24},
            "recipes": [
                "odd-lora",
                {"name": "influential", "layers": "influence:2", **own, "distillation": hidden},
                {"name": "greedy", "layers": "greedy:2", **own, "objective": "labels"},
            ],
            "explanations": {"method": "integrated-gradients", "texts": 3, "steps": 2, "baselines": ["pad"]},
        }
    )
    results = compare(experiment, runs=tmp_path)
    assert results.conditions.devices == [NAME]
    computing = results.made.environment["computing"]
    assert computing == {"device": str(DEVICE), "precision": "float32"}
    assert asked_on == {name: {DEVICE} for name in ASKS_A_MODEL}
    assert {model.model for model in results.models} == {"teacher", "odd-lora", "influential", "greedy"}
    for model in results.models:
        folder = tmp_path / "there" / model.folder
        with safe_open(folder / "model.safetensors", framework="pt") as saved:
            assert {saved.get_tensor(name).dtype for name in saved.keys()} == {torch.float32}  # noqa: SIM118
        with safe_open(folder / "scores" / "asked.safetensors", framework="numpy") as kept:
            there = kept.get_tensor("validation")
        texts = read_texts(tmp_path / "there" / "data" / "validation.parquet", text="text")
        here = HubClassifier(str(folder), max_length=24).logits(texts, Silent())
        assert np.allclose(there, here, rtol=1e-4, atol=1e-5)
