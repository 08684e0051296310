"""Students of every supported architecture: which weights they hold, and that plain libraries load what they save."""

import itertools
import json
from copy import deepcopy

import pytest
import torch
from peft import PeftModel
from tiny_models import CONFIGS, logits_of, some_inputs, tiny_classifier
from transformers import AutoModelForSequenceClassification

from foreshot.errors import ModelError
from foreshot.judging.guards import check_layers_equal
from foreshot.models.layers import layer_map
from foreshot.models.students import LORA_TARGETS, add_lora, keep_layers, lora_targets, merge, parameters
from foreshot.settings.recipes import Lora

DEPTH = 6
ENCODER = {"distilbert": "distilbert.transformer.layer", "modernbert": "model.layers"}
ENCODER |= dict.fromkeys(("roberta", "xlm-roberta", "camembert"), "roberta.encoder.layer")
ENCODER |= {"deberta-v2": "deberta.encoder.layer"}
HEAD = {architecture: {"classifier"} for architecture in CONFIGS} | {
    "distilbert": {"pre_classifier", "classifier"},
    "deberta-v2": {"pooler", "classifier"},
    "modernbert": {"head", "classifier"},
}
ADAPTED_IN_A_LAYER = dict.fromkeys(CONFIGS, 2) | {"modernbert": 1}  # query and value; there, one matrix for both

every_architecture = pytest.mark.parametrize("architecture", CONFIGS)


def stack_of(architecture: str) -> str:
    """Where the Transformers source keeps the layers, written down here by hand."""
    return ENCODER.get(architecture, f"{architecture}.encoder.layer")


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name]), name


KEPT = [
    pytest.param(architecture, layers, id=f"{architecture}-{layers}")
    for architecture, layers in itertools.product(CONFIGS, ("odd", "even", (1, 4, 5, 6), (1, 3, 3, 2), (5, 5, 2)))
    if architecture != "modernbert" or layers in {"odd", (1, 4, 5, 6), (1, 3, 3, 2)}
]


@pytest.mark.parametrize(("architecture", "layers"), KEPT)
def test_each_kept_layer_is_its_mapped_layer_and_all_else_is_as_it_was(architecture, layers):
    model = tiny_classifier(architecture, DEPTH)
    before, logits_before = weights(model), logits_of(model)
    numbers = {"odd": (1, 3, 5), "even": (2, 4, 6)}.get(layers, layers)
    student = keep_layers(model, numbers)

    expected, stack = {}, stack_of(architecture)
    for name, tensor in before.items():
        if not name.startswith(stack):
            expected[name] = tensor  # embeddings, head and all that stands outside of the layers
    for place, number in enumerate(numbers):
        layer = {name: tensor for name, tensor in before.items() if name.startswith(f"{stack}.{number - 1}.")}
        assert layer
        expected |= {name.replace(f".{number - 1}.", f".{place}.", 1): tensor for name, tensor in layer.items()}
    assert_same(weights(student), expected)
    check_layers_equal(student, model, numbers)
    assert len(student.get_submodule(stack)) == student.config.num_hidden_layers == len(numbers)

    logits = logits_of(student)
    assert logits.shape == (3, 2)
    assert torch.isfinite(logits).all()
    assert not torch.allclose(logits, logits_before, atol=1e-4)
    assert_same(weights(model), before)
    assert model.config.num_hidden_layers == DEPTH
    assert torch.equal(logits_of(model), logits_before)


def test_a_student_has_no_weight_in_common_with_its_origin():
    model = tiny_classifier()
    before = weights(model)
    student = keep_layers(model, (1, 2, 2))
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.zero_()
    assert_same(weights(model), before)


def test_a_student_of_all_layers_says_what_its_origin_says():
    for architecture in CONFIGS:
        model = tiny_classifier(architecture, 3)
        assert torch.equal(logits_of(keep_layers(model, (1, 2, 3))), logits_of(model)), architecture


def test_a_student_is_in_the_mode_of_its_origin_and_leaves_the_random_numbers_alone():
    model = tiny_classifier()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    assert not keep_layers(model, (1,)).training
    assert torch.equal(torch.rand(4), expected)
    assert keep_layers(model.train(), (1,)).training


def test_modernbert_keeps_the_kind_of_attention_of_each_layer():
    model = tiny_classifier("modernbert", DEPTH)
    kinds = list(model.config.layer_types)
    assert kinds == ["full_attention", "sliding_attention", "sliding_attention"] * 2
    student = keep_layers(model, (1, 2, 4))
    assert student.config.layer_types == ["full_attention", "sliding_attention", "full_attention"]
    assert model.config.layer_types == kinds
    student = keep_layers(model, (1, 4, 3, 4, 2))
    full, sliding = "full_attention", "sliding_attention"
    assert student.config.layer_types == [full, full, sliding, full, sliding]
    assert [layer.attn.config.layer_types[layer.attn.layer_idx] for layer in student.model.layers] == [
        *(full, full, sliding, full, sliding)
    ]


@pytest.mark.parametrize("layers", [(2, 4, 6), (3,), (2, 1), (1, 1, 2)])
def test_modernbert_with_another_first_layer_or_its_own_elsewhere_is_refused(layers):
    message = (
        rf"^modernbert: its layers are not alike, and \[{', '.join(map(str, layers))}\] puts one where another was"
    )
    with pytest.raises(ModelError, match=message) as caught:
        keep_layers(tiny_classifier("modernbert", DEPTH), layers)
    assert str(caught.value).endswith("give layers that begin with 1, and have it once")


def test_a_layer_that_is_named_twice_runs_twice():
    model = tiny_classifier("bert", 3)
    inputs = some_inputs()
    with torch.inference_mode():
        hidden = model.bert.embeddings(inputs["input_ids"])
        mask = (1 - inputs["attention_mask"][:, None, None, :].float()) * torch.finfo(torch.float32).min
        for number in (3, 1, 1):
            output = model.bert.encoder.layer[number - 1](hidden, mask)
            hidden = output[0] if isinstance(output, tuple) else output
        expected = model.classifier(model.bert.pooler(hidden))
    assert torch.allclose(logits_of(keep_layers(model, (3, 1, 1))), expected, atol=1e-5)


@every_architecture
@pytest.mark.parametrize("layers", ["odd", (1, 3, 2, 3)])
def test_plain_transformers_loads_a_saved_student(architecture, layers, tmp_path):
    student = keep_layers(tiny_classifier(architecture, DEPTH, labels=3), layer_map(layers, DEPTH))
    student.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert loaded.config.num_hidden_layers == (3 if layers == "odd" else 4)
    assert torch.equal(logits_of(loaded), logits_of(student))


@every_architecture
def test_lora_trains_its_adapters_and_the_whole_head_and_nothing_else(architecture):
    model = tiny_classifier(architecture, 4)
    held = sum(parameter.numel() for parameter in model.parameters())
    head = {
        name: parameter.numel()
        for name, parameter in model.named_parameters()
        if name.split(".")[0] in HEAD[architecture]
    }
    adapted = add_lora(model, Lora(rank=2), seed=0, base_name="base")
    trained = {name: parameter for name, parameter in adapted.named_parameters() if parameter.requires_grad}
    adapters = [name for name in trained if ".lora_A." in name or ".lora_B." in name]
    assert len(adapters) == 2 * 4 * ADAPTED_IN_A_LAYER[architecture]  # A and B
    assert all(f".{stack_of(architecture)}." in name for name in adapters)
    others = {name.replace("base_model.model.", "").replace(".modules_to_save.default", "") for name in trained}
    assert {name for name in others if ".lora_" not in name} == head.keys()
    outputs = 3 * 16 if architecture == "modernbert" else 16
    in_adapters = 4 * ADAPTED_IN_A_LAYER[architecture] * 2 * (16 + outputs)  # r (in + out) for each
    assert parameters(adapted) == (held + sum(head.values()) + in_adapters, sum(head.values()) + in_adapters)


def change(adapted: PeftModel) -> None:
    """What training would do: adapters and head get other weights."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)


@every_architecture
def test_merged_adapters_say_the_same(architecture):
    model = tiny_classifier(architecture, 4)
    untouched = logits_of(model)
    adapted = add_lora(model, Lora(rank=2), seed=0, base_name="base")
    assert torch.allclose(logits_of(adapted), untouched, atol=1e-6)  # B begins at 0
    change(adapted)
    expected = logits_of(adapted)
    merged = merge(adapted)
    assert not any("lora" in name or "modules_to_save" in name for name, _ in merged.named_parameters())
    assert sum(p.numel() for p in merged.parameters()) == sum(
        p.numel() for p in tiny_classifier(architecture, 4).parameters()
    )
    assert torch.allclose(logits_of(merged), expected, atol=1e-5)
    assert not torch.allclose(expected, untouched, atol=1e-2)
    assert torch.equal(logits_of(adapted), expected)  # a copy was merged


@every_architecture
def test_merged_student_saved_is_an_ordinary_classifier(architecture, tmp_path):
    adapted = add_lora(tiny_classifier(architecture, 4), Lora(rank=2), seed=0, base_name="base")
    change(adapted)
    merged = merge(adapted)
    merged.save_pretrained(tmp_path)
    loaded, info = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert torch.equal(logits_of(loaded), logits_of(merged))


@every_architecture
def test_peft_loads_a_saved_adapter_with_its_trained_head(architecture, tmp_path):
    base = tiny_classifier(architecture, 4)
    fresh, other_head = deepcopy(base), deepcopy(base)
    with torch.no_grad():
        for name in HEAD[architecture]:
            for parameter in other_head.get_submodule(name).parameters():
                parameter.zero_()  # a head that the adapter must bring itself
    adapted = add_lora(base, Lora(rank=2), seed=0, base_name="some/base")
    change(adapted)
    adapted.save_pretrained(tmp_path)
    assert '"base_model_name_or_path": "some/base"' in (tmp_path / "adapter_config.json").read_text()
    for plain in (fresh, other_head):
        assert torch.allclose(logits_of(PeftModel.from_pretrained(plain, tmp_path)), logits_of(adapted), atol=1e-6)


def test_an_adapter_names_its_targets_in_order(tmp_path):
    """PEFT keeps a set of them, whose order is another in each process."""
    targets = ("value", "query", "key", "intermediate.dense", "attention.output.dense")
    lora = Lora(rank=2, target_modules=targets)
    add_lora(tiny_classifier("bert", 2), lora, seed=0, base_name="base").save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"] == sorted(targets)


def test_adapters_begin_as_their_seed_says_and_leave_the_random_numbers_alone():
    def first(seed: int) -> torch.Tensor:
        adapted = add_lora(tiny_classifier("bert", 2), Lora(), seed=seed, base_name="base")
        return next(parameter for name, parameter in adapted.named_parameters() if "lora_A" in name).detach()

    torch.manual_seed(3)
    one = first(1)
    assert torch.equal(one, first(1))
    assert not torch.equal(one, first(2))
    model = tiny_classifier("bert", 2)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    add_lora(model, Lora(), seed=1, base_name="base")
    assert torch.equal(torch.rand(4), expected)


def test_lora_settings_reach_the_adapters():
    lora = Lora(rank=3, alpha=12, dropout=0.25, target_modules=("key",))
    adapted = add_lora(tiny_classifier("bert", 2), lora, seed=0, base_name="base")
    found = [module for name, module in adapted.named_modules() if name.endswith("attention.self.key")]
    assert len(found) == 2
    for module in found:
        assert module.lora_A["default"].weight.shape == (3, 16)
        assert module.scaling["default"] == 4.0  # alpha / rank
        assert module.lora_dropout["default"].p == 0.25
    assert not any("query" in name for name, _ in adapted.named_parameters() if "lora" in name)


def test_targets_that_match_nothing_or_are_not_known_are_refused():
    with pytest.raises(ModelError, match="nonsense"):
        add_lora(tiny_classifier("bert", 2), Lora(target_modules=("nonsense",)), seed=0, base_name="base")
    with pytest.raises(ModelError, match=r"rwkv: no default LoRA targets; .*lora\.target_modules"):
        lora_targets("rwkv", Lora())
    assert lora_targets("rwkv", Lora(target_modules=("key",))) == ["key"]
    assert LORA_TARGETS.keys() == CONFIGS.keys()
