"""8 bits: layers against cases worked out by hand and against the exported integers; what is left as it is."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from tiny_models import USUAL, logits_of, some_inputs, tiny_classifier
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers.pytorch_utils import Conv1D

from foreshot.exporting.int8 import Int8Embedding, Int8Linear, linear_layers, noise, other_weights, quantised


def linear(weight: list[list[float]] | torch.Tensor, bias: list[float] | None = None) -> nn.Linear:
    weight = torch.as_tensor(weight, dtype=torch.float32)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight.data = weight
    if bias is not None:
        layer.bias.data = torch.tensor(bias)
    return layer


def random_linear(outputs: int = 7, inputs: int = 48, seed: int = 0) -> nn.Linear:
    generator = torch.Generator().manual_seed(seed)
    layer = linear(torch.randn(outputs, inputs, generator=generator))
    layer.bias = nn.Parameter(torch.randn(outputs, generator=generator))
    return layer


def exported(layer: nn.Module, states: torch.Tensor) -> tuple[onnx.ModelProto, np.ndarray]:
    """The layer as an ONNX graph, and what ONNX Runtime makes of the states (rows, tokens, inputs)."""
    program = torch.onnx.export(layer, (states,), dynamo=True, opset_version=23, verbose=False)
    content = program.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return onnx.load_from_string(content), session.run(None, {given.name: states.numpy()})[0]


# ---- linear layers ----


def test_a_linear_layer_by_hand() -> None:
    """Weights in steps of 1/63 and 2/63; activations of 0 to 255 are whole numbers already: all is exact."""
    small = Int8Linear(linear([[1, 0, -21 / 63], [2, -2, 4 / 63]], bias=[0.5, 0]))
    assert small.weight.T.tolist() == [[63, 0, -21], [63, -63, 2]]
    assert small.scale.tolist() == pytest.approx([1 / 63, 2 / 63])
    found = small(torch.tensor([[255.0, 0, 51], [0, 255, 102]]))
    assert found.detach().numpy() == pytest.approx(
        np.array([[255 - 17 + 0.5, 510 + 51 * 4 / 63], [-34 + 0.5, -510 + 102 * 4 / 63]]), abs=1e-4
    )


@pytest.mark.parametrize("architecture", ["gpt2", "openai-gpt"])
def test_a_linear_layer_of_gpt_is_one(architecture: str) -> None:
    """Conv1D is x·W + b with W the other way round; four of them make a layer, and none is left."""
    layer = random_linear(outputs=7, inputs=48)
    turned = Conv1D(7, 48)
    turned.weight.data, turned.bias.data = layer.weight.data.T.contiguous(), layer.bias.data
    states = torch.randn(3, 5, 48, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        assert torch.equal(Int8Linear(turned)(states), Int8Linear(layer)(states))
    config = AutoConfig.for_model(architecture, n_layer=2, n_embd=16, n_head=2, vocab_size=50, pad_token_id=0)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    assert len(linear_layers(model)) == 8
    assert not other_weights(model)
    small = quantised(model)
    assert not [name for name, module in small.named_modules() if isinstance(module, Conv1D)]
    assert noise(model, [some_inputs()]).keys() == linear_layers(model).keys()


def test_what_has_a_forward_of_its_own_is_no_linear_layer_and_no_table() -> None:
    class Doubled(nn.Linear):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(states)

    class Scaled(nn.Embedding):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return 4 * super().forward(ids)

    model = with_words(1000)
    model.set_submodule("bert.pooler.dense", Doubled(16, 16))
    model.set_submodule("bert.embeddings.word_embeddings", Scaled(1000, 16))
    assert "bert.pooler.dense" not in linear_layers(model)
    assert isinstance(quantised(model).get_submodule("bert.embeddings.word_embeddings"), Scaled)
    assert other_weights(model).keys() == {"bert.pooler.dense.weight", "bert.embeddings.word_embeddings.weight"}


def test_weights_that_8_bits_do_not_know_are_found() -> None:
    """SqueezeBERT's layers are convolutions of width 1; its pooler alone is a linear layer."""
    config = AutoConfig.for_model("squeezebert", **USUAL, embedding_size=16, num_hidden_layers=2)
    model = AutoModelForSequenceClassification.from_config(config)
    assert linear_layers(model).keys() == {"transformer.pooler.dense"}
    assert len(other_weights(model)) == 12
    assert "transformer.encoder.layers.0.attention.query.weight" in other_weights(model)
    quantised_in_training = AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model("ibert", **USUAL, num_hidden_layers=2)
    )
    assert not linear_layers(quantised_in_training)
    assert len(other_weights(quantised_in_training)) > 12


def test_weights_are_within_half_a_step_and_reach_63() -> None:
    layer = random_linear()
    layer.weight.data[3] = 0
    layer.weight.data[4, 0] = -50
    small = Int8Linear(layer)
    steps = layer.weight.abs().amax(dim=1) / 63
    off = (small.weight.T * small.scale[:, None] - layer.weight).abs().amax(dim=1)
    assert (off <= steps / 2 + 1e-6).all()
    assert small.weight.dtype == torch.int8
    assert small.weight.abs().amax(dim=0).tolist() == [63, 63, 63, 0, 63, 63, 63]
    assert small.weight[0, 4] == -63


@pytest.mark.parametrize("bias", [True, False])
def test_the_error_is_bounded_by_the_steps(bias: bool) -> None:
    """A product of sums: half a step of each weight and of each activation, of which none is more than the largest."""
    layer = random_linear()
    if not bias:
        layer.bias = None
    states = torch.randn(5, 9, 48, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        off = (Int8Linear(layer)(states) - layer(states)).abs()
    largest = states.abs().amax(-1, keepdim=True)
    of_activations = largest / 127 / 2 * layer.weight.abs().sum(dim=1)
    of_weights = layer.weight.abs().amax(dim=1) / 63 / 2 * (states.abs() + largest / 127).sum(-1, keepdim=True)
    assert (off <= of_activations + of_weights).all()
    assert off.max() > 0


@pytest.mark.parametrize("bias", [True, False])
def test_pytorch_computes_what_the_exported_integers_do(bias: bool) -> None:
    layer = random_linear()
    if not bias:
        layer.bias = None
    small = Int8Linear(layer).eval()
    states = torch.randn(3, 11, 48, generator=torch.Generator().manual_seed(2)) * 5
    model, found = exported(small, states)
    assert [node.op_type for node in model.graph.node].count("MatMulIntegerToFloat") == 1
    with torch.inference_mode():
        assert found == pytest.approx(small(states).numpy(), abs=1e-4)


def test_no_product_of_bytes_can_overflow_16_bits() -> None:
    """The worst weights and activations there can be: without VNNI two products are added in 16 bits."""
    layer = linear(torch.full((4, 64), 3.0) * torch.tensor([[1.0], [-1], [1], [-1]]))
    model, found = exported(Int8Linear(layer).eval(), torch.tensor([[[1.0] * 63 + [0]]]))
    weights = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.data_type == 3]
    assert max(np.abs(weight.astype(int)).max() for weight in weights) * 255 * 2 < 2**15
    assert found.ravel() == pytest.approx([189, -189, 189, -189], rel=1e-3)


def test_a_tokens_outputs_do_not_depend_on_the_tokens_beside_it() -> None:
    small = Int8Linear(random_linear())
    states = torch.randn(4, 6, 48, generator=torch.Generator().manual_seed(3))
    states[2] *= 1000
    with torch.inference_mode():
        together = small(states)
        for row in (0, 1, 3):
            assert torch.allclose(small(states[row : row + 1])[0], together[row], atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5])
def test_a_token_of_equal_activations_is_exact_but_for_the_weights(value: float) -> None:
    small = Int8Linear(linear([[1, -1, 1], [63, 1, 2]], bias=[0.25, 0]))
    with torch.inference_mode():
        found = small(torch.full((1, 3), value))
    assert found[0].tolist() == pytest.approx([value + 0.25, 66 * value], abs=2e-2 * abs(value) + 1e-3)


# ---- embeddings ----


def test_an_embedding_by_hand() -> None:
    table = nn.Embedding(3, 3)
    table.weight.data = torch.tensor([[127.0, -64, 0.4], [0, 0, 0], [-0.5, 0.25, 0.001]])
    small = Int8Embedding(table)
    assert small.weight.tolist() == [[127, -64, 0], [0, 0, 0], [-127, 64, 0]]
    found = small(torch.tensor([[2, 0], [1, 0]]))
    assert found.shape == (2, 2, 3)
    assert found.dtype == torch.float32
    assert found[0].tolist() == [pytest.approx([-0.5, 64 * 0.5 / 127, 0]), [127, -64, 0]]
    assert found[1].tolist() == [[0, 0, 0], [127, -64, 0]]


def test_embeddings_are_within_half_a_step() -> None:
    table = nn.Embedding(50, 16)
    table.weight.data[7] *= 100
    small = Int8Embedding(table)
    steps = table.weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((small(torch.arange(50)) - table.weight).abs() <= steps / 2 + 1e-6).all()


# ---- whole models ----


def with_words(rows: int) -> nn.Module:
    model = tiny_classifier(layers=2)
    model.resize_token_embeddings(rows)
    return model.eval()


def test_head_small_tables_and_kept_layers_stay_as_they_are() -> None:
    model = with_words(1000)
    kept = ["bert.encoder.layer.0.output.dense", "bert.pooler.dense"]
    small = quantised(model, kept=kept)
    changed = {name for name, module in small.named_modules() if isinstance(module, Int8Linear | Int8Embedding)}
    layers = [
        f"bert.encoder.layer.{layer}.{part}"
        for layer in (0, 1)
        for part in (
            *("attention.self.query", "attention.self.key", "attention.self.value"),
            *("attention.output.dense", "intermediate.dense", "output.dense"),
        )
    ]
    assert linear_layers(model).keys() == {*layers, "bert.pooler.dense"}
    assert changed == {*layers, "bert.embeddings.word_embeddings"} - set(kept)
    for name in [*kept, "classifier", "bert.embeddings.position_embeddings"]:
        assert torch.equal(small.get_submodule(name).weight, model.get_submodule(name).weight)


def test_a_table_of_fewer_than_a_thousand_rows_is_small() -> None:
    small = quantised(with_words(999))
    assert isinstance(small.get_submodule("bert.embeddings.word_embeddings"), nn.Embedding)


@pytest.mark.parametrize("architecture", ["roberta", "distilbert", "electra", "deberta-v2"])
def test_no_layer_of_a_head_is_quantised(architecture: str) -> None:
    model = tiny_classifier(architecture, layers=1)
    head = [name for name, _ in model.named_children() if name != model.base_model_prefix]
    assert head
    assert not [name for name in linear_layers(model) if name.split(".")[0] in head]


def test_the_model_itself_is_unchanged() -> None:
    model = with_words(1000)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    before = logits_of(model)
    small = quantised(model)
    assert torch.equal(logits_of(model), before)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not torch.equal(logits_of(small), before)
    assert logits_of(small).numpy() == pytest.approx(before.numpy(), abs=0.1 * float(before.abs().max()))


# ---- noise ----


def test_noise_is_the_power_of_the_change_over_the_power_of_the_output() -> None:
    model = tiny_classifier(layers=1)
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    name = "bert.encoder.layer.0.intermediate.dense"
    layer = model.get_submodule(name)
    handle = layer.register_forward_hook(lambda _, inputs, output: seen.update({name: (inputs[0], output)}))
    logits_of(model)
    handle.remove()
    states, output = seen[name]
    with torch.inference_mode():
        expected = (Int8Linear(layer)(states) - output).square().sum() / output.square().sum()
    assert noise(model, [some_inputs()])[name] == pytest.approx(float(expected), rel=1e-4)
    assert noise(model, [some_inputs(), some_inputs()])[name] == pytest.approx(float(expected), rel=1e-4)


def test_noise_puts_a_layer_with_outliers_first_and_leaves_no_hook() -> None:
    """One weight a thousand times the others takes all steps of its output for itself."""
    model = tiny_classifier(layers=3)
    name = "bert.encoder.layer.1.attention.output.dense"
    with torch.no_grad():
        model.get_submodule(name).weight[:, 0] = 1e-6
        model.get_submodule(name).weight[::2, 1] *= 1000
        model.get_submodule("bert.encoder.layer.1.attention.self.value").weight[1] = 0
        model.get_submodule("bert.encoder.layer.1.attention.self.value").bias[1] = 0
    found = noise(model, [some_inputs()])
    assert found.keys() == linear_layers(model).keys()
    assert max(found, key=found.__getitem__) == name
    assert not any(module._forward_hooks for module in model.modules())


def test_no_hook_is_left_when_a_batch_fails() -> None:
    model = tiny_classifier(layers=1)
    with pytest.raises(IndexError):
        noise(model, [{"input_ids": torch.tensor([[10**6]])}])
    assert not any(module._forward_hooks for module in model.modules())
