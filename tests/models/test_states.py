"""Looking inside classifiers of every architecture: layers' outputs, and queries, keys and values."""

import pytest
import torch
from tiny_models import CONFIGS, SIZES, logits_of, some_inputs, tiny_classifier
from transformers import AutoModelForSequenceClassification, SqueezeBertConfig

from foreshot.errors import ModelError
from foreshot.models.encoders import LAYER_STACK_FIELD, layer_stack
from foreshot.models.outputs import forward
from foreshot.models.states import NOTHING, Look, check_look, looking, projection_modules
from foreshot.models.students import add_lora
from foreshot.settings.recipes import Lora

DEPTH = 3
QUERIES_OF_EACH = {
    "mpnet": ("q", "k", "v"),
    "distilbert": ("q_lin", "k_lin", "v_lin"),
    "deberta-v2": ("query_proj", "key_proj", "value_proj"),
    "modernbert": ("Wqkv",),
}
"""What the Transformers sources call them, written down by hand; ("query", "key", "value") for the rest."""

every_architecture = pytest.mark.parametrize("architecture", CONFIGS)


def projections_by_name(model, architecture: str, number: int) -> list[torch.nn.Module]:
    _, layers = layer_stack(model)
    modules = dict(layers[number - 1].named_modules())
    ends = tuple(QUERIES_OF_EACH.get(architecture, ("query", "key", "value")))
    return [next(module for path, module in modules.items() if path.split(".")[-1] == end) for end in ends]


@every_architecture
@torch.inference_mode()
def test_states_are_what_each_layer_gives(architecture):
    model = tiny_classifier(architecture, DEPTH)
    if architecture == "deberta-v2":
        model.deberta.encoder.conv = None  # it changes what the first layer gave
    with looking(model, Look(layers=(1, 2, 3))) as seen:
        states = model(**some_inputs(), output_hidden_states=True).hidden_states
    assert seen.states.shape == (3, 3, 9, 16)
    for number in (1, 2):
        assert torch.equal(seen.states[:, number - 1], states[number])
    last = seen.states[:, 2]
    assert torch.equal(model.model.final_norm(last) if architecture == "modernbert" else last, states[3])


def test_states_come_in_the_order_asked_for_a_layer_twice_if_it_is_named_twice():
    model = tiny_classifier("bert", DEPTH)
    with torch.inference_mode(), looking(model, Look(layers=(3, 1, 3))) as seen:
        states = model(**some_inputs(), output_hidden_states=True).hidden_states
    assert torch.equal(seen.states, torch.stack([states[3], states[1], states[3]], dim=1))
    assert seen.projections is None


@every_architecture
@torch.inference_mode()
def test_projections_are_the_linear_layers_of_what_attention_gets(architecture):
    model = tiny_classifier(architecture, DEPTH)
    modules = projections_by_name(model, architecture, 2)
    given = []
    hooks = [modules[0].register_forward_pre_hook(lambda _, args: given.append(args[0]))]
    with looking(model, Look(projections_of=2)) as seen:
        model(**some_inputs())
    for hook in hooks:
        hook.remove()
    attention_gets = given[0]
    assert attention_gets.shape == (3, 9, 16)
    by_hand = torch.cat([attention_gets @ module.weight.T + module_bias(module) for module in modules], dim=-1)
    expected = torch.stack(by_hand.split(16, dim=-1), dim=1)
    assert seen.projections.shape == (3, 3, 9, 16)
    assert torch.allclose(seen.projections, expected, atol=1e-5)
    assert seen.states is None


def module_bias(module: torch.nn.Module) -> torch.Tensor:
    return torch.zeros(1) if module.bias is None else module.bias


@pytest.mark.parametrize("architecture", sorted(CONFIGS.keys() - {"mpnet", "deberta-v2", "modernbert"}))
@torch.inference_mode()
def test_queries_and_keys_give_the_attention(architecture):
    """By scaled dot products, where positions have no part in it."""
    model = tiny_classifier(architecture, DEPTH)
    model.set_attn_implementation("eager")
    inputs = some_inputs()
    inputs["attention_mask"][:] = 1
    with looking(model, Look(projections_of=2)) as seen:
        attention = model(**inputs, output_attentions=True).attentions[1]
    query, key, _ = seen.projections.view(3, 3, 9, 2, 8).transpose(2, 3).unbind(dim=1)
    expected = torch.softmax(query @ key.transpose(-1, -2) / 8**0.5, dim=-1)
    assert torch.allclose(attention, expected, atol=1e-5)


@every_architecture
def test_each_pass_is_seen_anew_and_gradients_flow(architecture):
    model = tiny_classifier(architecture, DEPTH)
    first, other = some_inputs(), some_inputs(rows=2, tokens=5, seed=1)
    look = Look(layers=(1, DEPTH), projections_of=DEPTH)
    with looking(model, look) as seen:
        forward(model, first)
        forward(model, other)
        states, projections = seen.states, seen.projections
    with looking(model, look) as alone:
        forward(model, other)
    assert torch.equal(states, alone.states)
    assert torch.equal(projections, alone.projections)
    (states.sum() + projections.sum()).backward()
    assert all(module.weight.grad.any() for module in projections_by_name(model, architecture, DEPTH))


@every_architecture
def test_adapted_models_show_what_their_adapters_make(architecture):
    look = Look(layers=(1, 2, 3), projections_of=3)
    model = tiny_classifier(architecture, DEPTH)
    with torch.inference_mode(), looking(model, look) as plain:
        model(**some_inputs())
    adapted = add_lora(model, Lora(rank=2, dropout=0), seed=0, base_name="base").eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    with torch.inference_mode(), looking(adapted, look) as seen:
        adapted(**some_inputs())
    assert not torch.allclose(seen.states, plain.states, atol=1e-3)
    with torch.inference_mode(), looking(merged := adapted.merge_and_unload(), look) as after:
        merged(**some_inputs())
    assert torch.allclose(seen.states, after.states, atol=1e-4)
    assert torch.allclose(seen.projections, after.projections, atol=1e-4)


def hooks_of(model) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


@every_architecture
def test_after_the_block_nothing_looks(architecture):
    model = tiny_classifier(architecture, DEPTH)
    before, logits = hooks_of(model), logits_of(model)
    look = Look(layers=(1, 2), projections_of=1)
    with looking(model, look):
        assert hooks_of(model) > before
        assert torch.equal(logits_of(model), logits)  # looking changes nothing
    assert hooks_of(model) == before
    with pytest.raises((TypeError, ValueError)), looking(model, look):
        model(nonsense=1)
    assert hooks_of(model) == before


def test_nothing_is_seen_where_nothing_is_asked_for():
    model = tiny_classifier("bert", DEPTH)
    with looking(model, NOTHING) as seen:
        model(**some_inputs())
    assert seen.states is None
    assert seen.projections is None


def test_projections_can_be_named():
    model = tiny_classifier("bert", DEPTH)
    look = Look(projections_of=1, projections=("value", "key", "query"))
    with looking(model, Look(projections_of=1)) as usual:
        model(**some_inputs())
    with looking(model, look) as seen:
        model(**some_inputs())
    query, key, value = usual.projections.unbind(dim=1)
    assert torch.equal(seen.projections, torch.stack([value, key, query], dim=1))
    assert {name: id(module) for name, module in projection_modules_of(model, ("key",)).items()} == {
        "key": id(model.bert.encoder.layer[0].attention.self.key)
    }


def projection_modules_of(model, names):
    return projection_modules(layer_stack(model)[1][0], names, architecture="bert")


@pytest.mark.parametrize("names", [("query", "key", "nonsense"), ("dense",)], ids=["unknown", "more than one"])
def test_names_that_tell_no_layer_are_refused(names):
    model = tiny_classifier("bert", DEPTH)
    with pytest.raises(ModelError, match=rf"^bert: no queries, keys and values called {names[0]}") as caught:
        projection_modules_of(model, names)
    assert "name the linear layers under distillation.relations.projections" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_attention_is_refused():
    with pytest.raises(ModelError, match=r"^new: no queries, keys and values called as known in its attention layers"):
        projection_modules(torch.nn.Linear(2, 2), None, architecture="new")


# ---- what can't be looked at ----


@every_architecture
def test_all_known_architectures_can_be_looked_into(architecture):
    model = tiny_classifier(architecture, DEPTH)
    check_look(model, Look(layers=(1, 2, 3), projections_of=3))
    assert not any(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("look", [Look(layers=(1,)), Look(projections_of=1)], ids=["states", "projections"])
def test_layers_that_run_in_another_way_are_refused(look):
    """SqueezeBERT runs its layers behind the back of hooks, and has its tokens in the last dimension."""
    torch.manual_seed(0)
    config = SqueezeBertConfig(**SIZES, embedding_size=16, num_hidden_layers=2)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    setattr(model.config, LAYER_STACK_FIELD, "encoder.layers")
    with pytest.raises(ModelError, match=r"^squeezebert: what goes on in its layers can't be looked at; leave out the"):
        check_look(model, look)
