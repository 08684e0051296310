"""Updates in other precisions and in parts: near to, or the same as, those of a whole batch in float32."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from test_checkpoints import KINDS, UNLABELLED, Stopped, Told, assert_same, plain, stop, trained, with_lora
from test_loop_teaching import ENCODED, LABELS, ROWS
from tiny_models import CONFIGS, tiny_classifier

from foreshot.errors import DeviceError
from foreshot.models.outputs import model_outputs
from foreshot.models.states import Look
from foreshot.progress import Silent
from foreshot.settings.experiment import Training
from foreshot.settings.losses import Classification, Distillation, HiddenLoss, LossWeights, RelationLoss
from foreshot.training import losses as losses_module
from foreshot.training import updates
from foreshot.training.checkpoints import CHECKPOINT_FILE
from foreshot.training.device import CPU
from foreshot.training.loop import Teaching, train
from foreshot.training.loss_log import LossLog
from foreshot.training.losses import WHOLE, BatchOutputs, Losses, Shares
from foreshot.training.teacher_states import live_teacher
from foreshot.training.updates import Updates, computed_again, micro_batches

# ---- parts of a batch ----


def test_a_whole_batch_is_one_part():
    rows = np.array([4, 1, 3])
    (part,) = micro_batches(rows, 1, weights=np.ones(5), lengths=np.arange(5))
    assert part.rows is rows
    assert part.shares == WHOLE


def test_the_shares_of_parts_are_their_shares_of_rows_weights_and_tokens():
    weights = np.array([1.0, 3.0, 1.0, 3.0, 0.0, 0.0])  # the last two rows have no label
    lengths = np.array([2, 4, 6, 8, 10, 20])
    parts = micro_batches(np.array([0, 1, 3, 4, 5]), 2, weights=weights, lengths=lengths)
    assert [part.rows.tolist() for part in parts] == [[0, 3, 5], [1, 4]]
    assert parts[0].shares == Shares(labelled=4 / 7, rows=3 / 5, tokens=30 / 44, taught=3 / 5, likened=3 / 5)
    assert parts[1].shares == Shares(labelled=3 / 7, rows=2 / 5, tokens=14 / 44, taught=2 / 5, likened=2 / 5)


def test_the_shares_of_what_a_teacher_says_are_by_its_weights():
    rows, like = np.array([0, 1, 3]), {"weights": np.ones(4), "lengths": np.ones(4)}
    first, second = micro_batches(rows, 2, **like, taught=np.array([0.5, 1.0, 7.0, 0.0]))
    assert (first.shares.taught, first.shares.likened) == (1 / 3, 1 / 3)
    assert (second.shares.taught, second.shares.likened) == (2 / 3, 2 / 3)
    of_labels = np.array([[0.5, 0.25], [1.0, 0.25], [7.0, 7.0], [0.0, 0.5]])
    first, second = micro_batches(rows, 2, **like, taught=of_labels)
    assert (first.shares.taught, first.shares.likened) == (0.5, 0.5)  # 0.75 and 0.5 of 2.5; 0.25 and 0 of 0.5
    assert (second.shares.taught, second.shares.likened) == (0.5, 0.5)
    (first, _) = micro_batches(rows, 2, **like, taught=np.zeros(4))
    assert first.shares.taught == 0


def test_rows_without_the_teachers_vectors_share_in_none_of_their_mean():
    rows, ones = np.array([0, 1, 3, 4, 5]), np.ones(6)
    parts = micro_batches(rows, 2, weights=ones, lengths=ones, likened=4)  # rows 4 and 5 have none
    assert [part.rows.tolist() for part in parts] == [[0, 3, 5], [1, 4]]
    assert [part.shares.likened for part in parts] == [2 / 3, 1 / 3]
    none = micro_batches(np.array([4, 5]), 2, weights=ones, lengths=ones, likened=4)
    assert [part.shares.likened for part in none] == [0, 0]


def test_a_small_last_batch_has_fewer_parts():
    parts = micro_batches(np.array([7, 2]), 4, weights=np.ones(8), lengths=np.ones(8))
    assert [part.rows.tolist() for part in parts] == [[7], [2]]


STATES = {"look": Look(layers=(1, 2), projections_of=2), "of_teacher": Look(layers=(2, 4), projections_of=4)}
ALL_LOSSES = LossWeights(hidden=1, relations=1)


def taught_by(first_token: bool = False, unlabelled=None, share: float = 0.0, labels: int = 2) -> Teaching:
    teacher = tiny_classifier("bert", 4, seed=9, labels=labels)
    rows = ENCODED.followed_by(unlabelled) if unlabelled else ENCODED
    return Teaching(
        settings=Distillation(
            weights=ALL_LOSSES,
            hidden=HiddenLoss(tokens="first" if first_token else "all"),
            relations=RelationLoss(heads=2),
            unlabelled_share=share,
        ),
        outputs=model_outputs(teacher, rows),
        unlabelled=unlabelled,
        look=STATES["look"],
        states=live_teacher(teacher, rows, STATES["of_teacher"], first_token=first_token),
    )


def first_gradients(
    monkeypatch, accumulate: int, teaching=None, labels=LABELS, outputs: int = 2, row_weights=None, **settings
):
    """The gradients of the first update, and its losses, without dropout."""
    model = tiny_classifier("bert", 2, seed=1, labels=outputs)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.config.attention_probs_dropout_prob = 0.0
    for layer in model.bert.encoder.layer:
        layer.attention.self.dropout.p = 0.0
    found = {}

    def look_instead(self: Updates) -> None:
        if not found:
            found.update({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
        for parameter in model.parameters():
            parameter.grad = None

    monkeypatch.setattr(Updates, "carry_out", look_instead)
    history = train(
        model,
        ENCODED,
        labels,
        settings=Training(batch_size=16, epochs=1, accumulate=accumulate, **settings),
        learning_rate=1e-3,
        seed=0,
        row_weights=row_weights,
        teaching=teaching,
        progress=Silent(),
    )
    return found, history.losses


MARKS = np.array([[row % 2, row % 3 == 0, 1] for row in range(ROWS)], dtype=np.float32)
TASKS = {
    "labels": {},
    "class weights": {"classification": Classification(class_weights=(1.0, 5.0), label_smoothing=0.1)},
    "focal": {"classification": Classification(class_weights="balanced", focal_gamma=2.0)},
    "several labels": {"labels": MARKS, "outputs": 3, "classification": Classification(class_weights=(1.0, 2.0, 3.0))},
    "several labels, taught": {"labels": MARKS, "outputs": 3, "teaching": lambda: taught_by(labels=3)},
    "all losses": {"teaching": taught_by},
    "first token": {"teaching": lambda: taught_by(first_token=True)},
    "unlabelled": {
        "teaching": lambda: taught_by(unlabelled=UNLABELLED, share=0.75),  # 4 labelled rows of 16: some parts have none
        "classification": Classification(class_weights=(1.0, 5.0)),
    },
}


@pytest.mark.parametrize("task", TASKS)
def test_in_parts_the_objective_and_its_gradients_are_those_of_the_whole_batch(task, monkeypatch):
    def compute(accumulate: int):
        settings = dict(TASKS[task])
        teaching = settings.pop("teaching", lambda: None)()
        return first_gradients(monkeypatch, accumulate, teaching, **settings)

    gradients, losses = compute(1)
    assert len(losses["objective"]) == 2  # batches of 16 and 8, or of 16 and 16
    for accumulate in (2, 16):
        in_parts, their_losses = compute(accumulate)
        assert in_parts.keys() == gradients.keys()
        for name, gradient in gradients.items():
            assert torch.allclose(in_parts[name], gradient, rtol=1e-4, atol=1e-6), name
        for name, values in losses.items():
            assert np.allclose(their_losses[name], values, rtol=1e-5, atol=1e-6), name


# ---- layers that are computed again ----


@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_are_computed_again_give_the_same_bits(kind, monkeypatch):
    make, teaching, settings = KINDS[kind]
    expected = trained(kind)
    monkeypatch.setitem(KINDS, kind, (make, teaching, {**settings, "gradient_checkpointing": True}))
    assert_same(trained(kind), expected)


@pytest.mark.parametrize("make", [plain, with_lora])
def test_inner_tensors_are_kept_for_the_block_alone_not_longer(make):
    """How many tensors autograd saves tells whether layers are computed again; the model is as it was afterwards."""
    model = make()
    plain_model = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = plain_model.config.to_dict()

    def saved() -> int:
        kept = []
        model.train()
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(1) or tensor, lambda tensor: tensor):
            model(input_ids=torch.tensor([[2, 9, 8, 3]]))
        return len(kept)

    before = saved()
    with computed_again(model, True):
        assert saved() < before / 2
    assert saved() == before
    assert plain_model.config.to_dict() == config
    assert not model.get_input_embeddings()._forward_hooks


def test_all_but_mpnet_can():
    assert {name for name in CONFIGS if not tiny_classifier(name, 1).supports_gradient_checkpointing} == {"mpnet"}


# ---- bf16 ----


@pytest.fixture
def in_bf16(monkeypatch):
    for kind, (make, teaching, settings) in KINDS.items():
        monkeypatch.setitem(KINDS, kind, (make, teaching, {**settings, "precision": "bf16"}))


def test_losses_in_bf16_are_near_those_in_float32(monkeypatch):
    """bf16 has 8 bits, so a product is off by 0.4 %: the first loss by less than 1 %, and after six updates by 5 %."""
    for kind in KINDS:
        whole = trained(kind)[1].losses
        make, teaching, settings = KINDS[kind]
        with monkeypatch.context() as changed:
            changed.setitem(KINDS, kind, (make, teaching, {**settings, "precision": "bf16"}))
            losses = trained(kind)[1].losses
        assert not np.array_equal(losses["objective"], whole["objective"]), kind
        assert losses["objective"][0] == pytest.approx(whole["objective"][0], rel=0.01), kind
        assert losses["objective"] == pytest.approx(whole["objective"], rel=0.05), kind


@pytest.mark.parametrize("kind", ["labels", "live teacher"])
def test_products_are_in_bf16_and_weights_gradients_and_losses_are_not(kind, monkeypatch, in_bf16):
    products, gradients, compared = set(), set(), set()
    make, *others = KINDS[kind]

    def watched_model():
        model = make()
        plain_model = model.get_base_model() if hasattr(model, "get_base_model") else model
        dense = plain_model.bert.encoder.layer[0].output.dense
        dense.register_forward_hook(lambda *given: products.add(given[2].dtype))
        return model

    def watched_update(self: Updates) -> None:
        gradients.update(weight.grad.dtype for weight in self._weights if weight.grad is not None)
        carry_out(self)

    def watched_losses(given, *more, **options):
        outputs = vars(given).values() if isinstance(given, BatchOutputs) else [given]
        compared.update(tensor.dtype for tensor in outputs if tensor is not None)
        return compute(given, *more, **options)

    carry_out, name = Updates.carry_out, "label_losses" if kind == "labels" else "distillation_losses"
    compute = getattr(losses_module, name)
    monkeypatch.setattr(Updates, "carry_out", watched_update)
    monkeypatch.setattr(f"foreshot.training.loop.{name}", watched_losses)
    monkeypatch.setitem(KINDS, kind, (watched_model, *others))
    model, _ = trained(kind)
    assert products == {torch.bfloat16}
    assert gradients == compared == {torch.float32}
    assert {tensor.dtype for tensor in model.state_dict().values() if tensor.is_floating_point()} == {torch.float32}
    products.clear()
    model_outputs(model, ENCODED)  # afterwards it is an ordinary model
    assert products == {torch.float32}
    assert "forward" not in vars(model)


@pytest.mark.parametrize("kind", ["labels", "lora", "live teacher"])
def test_a_training_in_bf16_stopped_after_some_step_ends_with_the_same_bits(kind, tmp_path, in_bf16):
    file = tmp_path / "one" / CHECKPOINT_FILE
    stop(kind, file, 4)
    told = Told()
    assert_same(trained(kind, file, told), trained(kind))
    assert told.skipped == 3 * 8
    assert told.said == []


def test_a_training_does_not_go_on_in_another_precision(tmp_path, monkeypatch):
    file, told = tmp_path / "one" / CHECKPOINT_FILE, Told(1)
    stop("labels", file, 4)
    make, teaching, settings = KINDS["labels"]
    monkeypatch.setitem(KINDS, "labels", (make, teaching, {**settings, "precision": "bf16"}))
    with pytest.raises(Stopped):
        trained("labels", file, told)
    assert told.skipped == 0
    assert "was computed on another device, in another precision or in other parts" in told.said[0]


def test_a_precision_that_the_cpu_can_not_do_is_refused():
    model = plain()
    settings = Training(batch_size=8, epochs=1, precision="fp16")
    with pytest.raises(DeviceError, match="the cpu can't train in fp16"):
        train(model, ENCODED, LABELS, settings=settings, learning_rate=1e-3, seed=0, progress=Silent())


# ---- fp16: on the CPU with a scaler, as it is on a GPU ----


@pytest.fixture
def fp16(monkeypatch):
    """Have the CPU train in fp16, as PyTorch could: with an objective that is scaled, at first by this."""
    made = []

    def allow(scale: float, growth_interval: int = 2) -> list[torch.amp.GradScaler]:
        make = updates._accelerator

        def accelerator(device, precision):
            found = make(device, "float32")
            found.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=growth_interval)
            found.native_amp = True
            found.state._mixed_precision = "fp16"
            made.append(found.scaler)
            return found

        monkeypatch.setattr(updates, "_accelerator", accelerator)
        return made

    return allow


def test_in_fp16_the_scale_goes_on_where_it_was(fp16, tmp_path):
    scalers = fp16(4.0)
    file = tmp_path / "one" / CHECKPOINT_FILE
    expected = trained("labels")
    assert scalers[-1].get_scale() == 4.0 * 2**3  # doubled after every second of six updates
    stop("labels", file, 4)
    with safe_open(file, framework="pt") as saved:
        assert json.loads(saved.metadata()["facts"])["scaler"]["scale"] == 8.0
    told = Told()
    assert_same(trained("labels", file, told), expected)
    assert told.skipped == 3 * 8
    assert scalers[-1].get_scale() == 32.0


def test_an_update_that_overflows_leaves_the_weights_as_they_are(fp16):
    fp16(2.0**40, growth_interval=1000)
    model, _ = trained("labels")
    untrained = plain()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), untrained.parameters(), strict=True))


def test_gradients_are_clipped_at_their_own_size(fp16, monkeypatch):
    """Not at the scaled one, which would leave them 1,024 times as small."""
    fp16(1024.0, growth_interval=1000)
    norms, step = [], torch.optim.AdamW.step

    def watched(self, *given, **options):
        norms.append(torch.stack([weight.grad.norm() for weight in self.param_groups[0]["params"]]).norm().item())
        assert self.grad_scale is None  # or the step would divide by it once more
        return step(self, *given, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    make, teaching, settings = KINDS["labels"]
    monkeypatch.setitem(KINDS, "labels", (make, teaching, {**settings, "max_grad_norm": 0.01}))
    trained("labels")
    assert norms == pytest.approx([0.01] * 6, rel=0.01)


# ---- the losses so far ----


def losses(value: float) -> Losses:
    return Losses(objective=torch.tensor(value), parts={"classification": torch.tensor(value * 2)})


def test_losses_of_parts_add_up_and_come_in_the_order_of_the_steps():
    log = LossLog(CPU)
    assert log.shown == ""
    log.add(losses(1.0))
    log.add(losses(0.5))
    log.end_step()
    log.add(losses(3.0))
    log.end_step()
    assert len(log) == 2
    assert log.columns() == {"objective": [1.5, 3.0], "classification": [3.0, 6.0]}
    assert log.shown == "loss 3.000"


def test_losses_of_a_device_are_fetched_now_and_then():
    log = LossLog(torch.device("meta"))
    log._fetch_every = 3
    for step in range(5):
        log.add(losses(float(step)))
        log.end_step()
        assert log.shown == ("" if step < 2 else "loss 2.000")
        assert len(log) == step + 1
    assert log.columns()["objective"] == [0, 1, 2, 3, 4]
    log.put_back({"objective": [9.0], "classification": [8.0]})
    assert len(log) == 1
    assert log.arrays()["objective"].tolist() == [9.0]
