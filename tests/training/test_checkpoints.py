"""A training that was stopped and goes on ends as one that never was: each stopped after every one of its steps."""

import errno
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from test_loop_teaching import ENCODED, LABELS, TOXIC_WORD, rows_with
from tiny_models import tiny_classifier

from foreshot.models.outputs import model_outputs
from foreshot.models.states import NOTHING, Look
from foreshot.models.students import add_lora
from foreshot.progress import Silent
from foreshot.settings.experiment import Training
from foreshot.settings.losses import Distillation, LossWeights, Ramp, RelationLoss
from foreshot.settings.recipes import Lora
from foreshot.training import checkpoints
from foreshot.training.checkpoints import CHECKPOINT_FILE, Checkpointing
from foreshot.training.loop import History, Teaching, train
from foreshot.training.teacher_states import live_teacher
from heard import Heard

STEPS = 6  # 2 epochs of 24 rows in batches of 8
UNLABELLED = rows_with((TOXIC_WORD,), count=40, seed=6)


class Stopped(BaseException):
    pass


class Told(Heard):
    """Stops the training at the end of a step, before its checkpoint; keeps what is said."""

    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__()
        self.stop_after, self.steps, self.skipped = stop_after, 0, 0

    def advance(self, units: int, state: str = "") -> None:
        self.steps += 1
        if self.steps == self.stop_after:
            raise Stopped

    def skip(self, units: int) -> None:
        self.skipped += units


def plain():
    return tiny_classifier("bert", 2, seed=1)


def with_lora():
    return add_lora(plain(), Lora(rank=4, dropout=0.3), seed=0, base_name="base")


def taught(weights: LossWeights, look=NOTHING, of_teacher=NOTHING, unlabelled=None, share=0.0) -> Teaching:
    teacher = tiny_classifier("bert", 4, seed=9)
    rows = ENCODED.followed_by(unlabelled) if unlabelled else ENCODED
    return Teaching(
        settings=Distillation(weights=weights, relations=RelationLoss(heads=2), unlabelled_share=share),
        outputs=model_outputs(teacher, rows),
        unlabelled=unlabelled,
        look=look,
        states=None if look == NOTHING else live_teacher(teacher, rows, of_teacher, first_token=False),
    )


def taught_by_a_wider_one() -> Teaching:
    """Its representations are compared through a projection, which is trained along."""
    teaching = taught(LossWeights())
    states = teaching.outputs.representations
    assert states is not None
    wide = np.concatenate([states, states[:, :8] ** 2], axis=1)
    return replace(teaching, outputs=replace(teaching.outputs, representations=wide))


def taught_by_several() -> Teaching:
    """Rows on which the teachers differ weigh less, and of some there is nothing known."""
    teachers = (tiny_classifier("bert", 4, seed=seed) for seed in (8, 9))
    of_each = np.stack([model_outputs(teacher, ENCODED).logits for teacher in teachers], axis=1)
    of_each[3] = np.nan
    return Teaching(
        settings=Distillation(temperature=Ramp(start=3, end=1)),
        outputs=replace(taught(LossWeights()).outputs, logits=of_each.mean(axis=1), representations=None),
        of_each=of_each,
        teacher_weights=np.array([0.25, 0.75], dtype=np.float32),
        row_weights=np.linspace(0.1, 1, len(ENCODED), dtype=np.float32),
    )


KINDS = {
    "labels": (plain, lambda: None, {"warmup_fraction": 0.4}),
    "decay": (plain, lambda: None, {"weight_decay": 0.1}),  # all word vectors are trained
    "lora": (with_lora, lambda: None, {}),
    "distil": (plain, lambda: taught(LossWeights(divergence=Ramp(start=0, end=1))), {}),
    "projection": (plain, taught_by_a_wider_one, {}),
    "projection, lora": (with_lora, taught_by_a_wider_one, {}),
    "several teachers": (plain, taught_by_several, {}),
    "unlabelled": (plain, lambda: taught(LossWeights(), unlabelled=UNLABELLED, share=0.5), {}),
    "live teacher": (
        with_lora,
        lambda: taught(
            LossWeights(hidden=1, relations=1),
            look=Look(layers=(1, 2), projections_of=2),
            of_teacher=Look(layers=(2, 4), projections_of=4),
        ),
        {},
    ),
}


def trained(kind: str, file=None, progress=None, every=0.0, made_from="abc") -> tuple[torch.nn.Module, History]:
    make, teaching, settings = KINDS[kind]
    model = make()
    torch.rand(5)  # what others drew has no say
    history = train(
        model,
        ENCODED,
        LABELS,
        settings=Training(batch_size=8, epochs=2, **settings),
        learning_rate=3e-3,
        seed=3,
        teaching=teaching(),
        checkpointing=Checkpointing(folder=file.parent, made_from=made_from, every=every) if file else None,
        progress=progress or Silent(),
    )
    return model, history


def assert_same(found: tuple[torch.nn.Module, History], expected: tuple[torch.nn.Module, History]) -> None:
    weights, others = found[0].state_dict(), expected[0].state_dict()
    assert weights.keys() == others.keys()
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []
    assert list(found[1].losses) == list(expected[1].losses)
    assert all(np.array_equal(found[1].losses[name], values) for name, values in expected[1].losses.items())


def stop(kind: str, file, after: int, **options) -> Told:
    told = Told(after)
    with pytest.raises(Stopped):
        trained(kind, file, told, **options)
    return told


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_stopped_after_any_step_ends_with_the_same_bits(kind, tmp_path):
    expected = trained(kind)
    for after in range(1, STEPS + 1) if kind == "labels" else (3, 4, 6):  # within an epoch, and between two
        file = tmp_path / str(after) / CHECKPOINT_FILE
        stop(kind, file, after)
        assert file.exists() == (after > 1)
        told = Told()
        assert_same(trained(kind, file, told), expected)
        assert told.steps == STEPS - (after - 1)
        assert told.skipped == (after - 1) * 8
        assert told.said == []


def test_a_training_stopped_again_and_again_ends_with_the_same_bits(tmp_path):
    file = tmp_path / "one" / CHECKPOINT_FILE
    for _ in range(STEPS - 1):
        stop("distil", file, 2)  # each gets one step further
    assert_same(trained("distil", file), trained("distil"))


def test_one_that_was_over_is_only_put_back(tmp_path):
    file = tmp_path / "one" / CHECKPOINT_FILE
    expected = trained("labels", file)
    told = Told()
    found = trained("labels", file, told)
    assert told.steps == 0
    assert_same(found, expected)


def test_times_add_up(tmp_path, monkeypatch):
    file = tmp_path / "one" / CHECKPOINT_FILE
    stop("labels", file, 4)
    with safe_open(file, framework="pt") as saved:
        took = json.loads(saved.metadata()["facts"])["took"]
    assert took["seconds"] > 0
    assert took["peak_memory"] > 0
    change(file, lambda tensors, facts: facts["took"].update(seconds=1000.0, peak_memory=1e9))
    again = trained("labels", file)[1].took
    assert 1000 < again.seconds < 1100
    assert again.peak_memory == 1e9


def test_checkpoints_come_as_seldom_as_asked_and_as_their_cost_allows(tmp_path, monkeypatch):
    written = []
    now = [0.0]
    monkeypatch.setattr(checkpoints, "perf_counter", lambda: now[0])

    def write(*_: object, **__: object) -> None:
        written.append(now[0])
        now[0] += 3.0

    class Ticking(Silent):
        def advance(self, units: int, state: str = "") -> None:
            now[0] += 40.0

    monkeypatch.setattr(checkpoints, "_write", write)
    trained("labels", tmp_path / "one" / CHECKPOINT_FILE, Ticking(), every=60.0)
    assert written == [80.0]  # the next one after 3 s / 1 %
    written.clear()
    now[0] = 0.0
    monkeypatch.setattr(checkpoints, "MOST_OF_THE_TIME", 0.5)
    trained("labels", tmp_path / "one" / CHECKPOINT_FILE, Ticking(), every=60.0)
    assert written == [80.0, 163.0, 246.0]


# ---- what can't be gone on from ----


def change(file, how) -> None:
    """Change a checkpoint's tensors and facts, with a digest that fits."""
    with safe_open(file, framework="pt") as saved:
        metadata = saved.metadata()
        tensors = {name: saved.get_tensor(name).clone() for name in saved.keys()}  # noqa: SIM118
    facts = json.loads(metadata["facts"])
    how(tensors, facts)
    metadata["facts"] = json.dumps(facts)
    metadata["digest"] = checkpoints._digest(tensors, metadata["facts"])
    save_file(tensors, file, metadata=metadata)


def flip_a_bit(file) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    file.write_bytes(content)


DAMAGES = {
    "empty": lambda file: file.write_bytes(b""),
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:-100]),
    "no safetensors": lambda file: file.write_bytes(os.urandom(5000)),
    "a bit": flip_a_bit,
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "without metadata": lambda file: save_file({"a": torch.ones(1)}, file),
    "a weight is missing": lambda file: change(file, lambda tensors, _: tensors.pop("weight.classifier.bias")),
    "a weight too many": lambda file: change(file, lambda tensors, _: tensors.update({"weight.x": torch.ones(2)})),
    "a moment of another shape": lambda file: change(
        file, lambda tensors, _: tensors.update({"optimizer.0.exp_avg": torch.ones(2)})
    ),
    "a moment of no weight": lambda file: change(
        file, lambda tensors, _: tensors.update({"optimizer.999.exp_avg": torch.ones(2)})
    ),
    "more steps than there are": lambda file: change(
        file, lambda tensors, facts: tensors.update({f"loss.{name}": torch.ones(99) for name in facts["losses"]})
    ),
    "losses of two lengths": lambda file: change(
        file, lambda tensors, _: tensors.update({"loss.objective": torch.ones(1)})
    ),
    "no schedule": lambda file: change(file, lambda _, facts: facts.update(schedule={})),
    "no times": lambda file: change(file, lambda _, facts: facts.update(took={"hours": 1})),
    "other random state": lambda file: change(
        file, lambda tensors, _: tensors.update({"random.torch": torch.ones(3, dtype=torch.uint8)})
    ),
}


@pytest.fixture(scope="module")
def whole() -> tuple[torch.nn.Module, History]:
    return trained("labels")


@pytest.fixture(scope="module")
def half_way(tmp_path_factory):
    file = tmp_path_factory.mktemp("half-way") / "one" / CHECKPOINT_FILE
    stop("labels", file, 4)
    return file


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_with_one_line(damage, tmp_path, half_way, whole):
    file = tmp_path / "one" / CHECKPOINT_FILE
    shutil.copytree(half_way.parent, file.parent)
    DAMAGES[damage](file)
    told = Told()
    assert_same(trained("labels", file, told, every=1e9), whole)
    assert told.steps == STEPS
    (line,) = told.said
    assert line.startswith(f"{file}: can't be gone on from (")
    assert line.endswith("this training starts from its first step")
    assert "\n" not in line


def test_the_checkpoint_of_another_model_is_passed_over(tmp_path, half_way, whole):
    file, told = tmp_path / "one" / CHECKPOINT_FILE, Told()
    shutil.copytree(half_way.parent, file.parent)
    assert_same(trained("labels", file, told, every=1e9, made_from="abd"), whole)
    assert "is of another model" in told.said[0]


def test_without_room_the_training_goes_on_and_says_so_once(tmp_path, monkeypatch, whole):
    told = Told()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert_same(trained("labels", tmp_path / "one" / CHECKPOINT_FILE, told), whole)
    assert len(told.said) == 1
    assert "no room for a checkpoint" in told.said[0]
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_leaves_room_for_the_model(tmp_path, monkeypatch, whole):
    sizes = []
    usage = shutil.disk_usage(tmp_path)
    make, *_ = KINDS["labels"]
    model_size = sum(weight.nbytes for weight in make().parameters())

    def nearly_full(folder):
        return usage._replace(free=sizes[-1])

    monkeypatch.setattr(checkpoints.shutil, "disk_usage", nearly_full)
    file, told = tmp_path / "one" / CHECKPOINT_FILE, Told()
    sizes.append(model_size)
    assert_same(trained("labels", file, told), whole)
    assert not file.exists()
    assert len(told.said) == 1
    sizes.append(model_size * 20)
    trained("labels", file, Told())
    assert file.exists()
