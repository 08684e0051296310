"""The last layer for the first token alone: the same logits, representations and gradients as for all tokens."""

import pytest
import torch
from tiny_models import CONFIGS, tiny_classifier

from foreshot.models.encoders import layer_stack
from foreshot.models.first_token import FORWARDS, first_token_only
from foreshot.models.outputs import forward
from foreshot.models.states import Look, looking
from foreshot.models.students import add_lora
from foreshot.settings.recipes import Lora

TOLERANCE = 1e-5


def padded_batch(model) -> dict[str, torch.Tensor]:
    """Three rows of 17, 9 and 5 tokens."""
    torch.manual_seed(1)
    ids, mask = torch.randint(4, 50, (3, 17)), torch.ones((3, 17), dtype=torch.int64)
    for row, length in ((1, 9), (2, 5)):
        ids[row, length:], mask[row, length:] = model.config.pad_token_id or 0, 0
    return {"input_ids": ids, "attention_mask": mask}


def last_states(model, inputs) -> torch.Tensor:
    return model(**inputs, output_hidden_states=True).hidden_states[-1]


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("architecture", CONFIGS)
def test_logits_and_representations_stay(architecture, layers):
    model = tiny_classifier(architecture, layers)
    inputs = padded_batch(model)
    unpadded = {**inputs, "attention_mask": torch.ones_like(inputs["attention_mask"])}
    for batch in (inputs, unpadded):
        with torch.no_grad():
            whole = forward(model, batch)
            with first_token_only(model):
                alone = forward(model, batch)
        for expected, found in zip(whole, alone, strict=True):
            torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("architecture", CONFIGS)
def test_it_is_one_token_that_is_computed(architecture):
    """Else the test above would pass with nothing done; afterwards all tokens are there again."""
    model = tiny_classifier(architecture, 2)
    inputs = padded_batch(model)
    with torch.no_grad():
        with first_token_only(model):
            assert last_states(model, inputs).shape[1] == 1
        assert last_states(model, inputs).shape[1] == 17


@pytest.mark.parametrize("architecture", CONFIGS)
def test_gradients_stay(architecture):
    model = tiny_classifier(architecture, 2)
    inputs, found = padded_batch(model), []
    for block in (first_token_only(model), torch.enable_grad()):
        model.zero_grad()
        with block:
            logits, representations = forward(model, inputs)
        (logits.square().sum() + representations.square().sum()).backward()
        found.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    alone, whole = found
    assert alone.keys() == whole.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(alone[name], gradient, atol=TOLERANCE, rtol=1e-4, msg=name)


@pytest.mark.parametrize("architecture", CONFIGS)
def test_with_lora(architecture):
    model = add_lora(tiny_classifier(architecture, 2), Lora(), seed=0, base_name="").eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # 0 at first
            torch.nn.init.normal_(parameter)
    inputs = padded_batch(model)
    with torch.no_grad():
        whole, _ = forward(model, inputs)
        with first_token_only(model):
            alone, _ = forward(model, inputs)
            assert last_states(model, inputs).shape[1] == 1
    torch.testing.assert_close(alone, whole, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("look", "tokens"),
    [(Look(layers=(1, 3)), 17), (Look(projections_of=3), 17), (Look(layers=(1, 2)), 1), (Look(projections_of=2), 1)],
)
def test_all_tokens_where_a_loss_looks_at_the_last_layer(look, tokens):
    model = tiny_classifier("bert", 3)
    inputs = padded_batch(model)
    with torch.no_grad(), first_token_only(model, look), looking(model, look):
        assert last_states(model, inputs).shape[1] == tokens


def test_all_tokens_where_the_head_takes_their_mean():
    model = tiny_classifier("modernbert", 2)
    model.config.classifier_pooling = "mean"
    inputs = padded_batch(model)
    with torch.no_grad():
        whole, _ = forward(model, inputs)
        with first_token_only(model):
            assert last_states(model, inputs).shape[1] == 17
            torch.testing.assert_close(forward(model, inputs)[0], whole, atol=0, rtol=0)


def test_all_tokens_of_an_architecture_that_is_not_known():
    model = tiny_classifier("bert", 2)
    model.config.model_type = "another"
    with torch.no_grad(), first_token_only(model):
        assert last_states(model, padded_batch(model)).shape[1] == 17


def test_every_encoder_family_has_a_forward():
    assert set(CONFIGS) == set(FORWARDS)


def test_the_layer_has_its_own_forward_again_after_an_error():
    model = tiny_classifier("bert", 2)
    with pytest.raises(RuntimeError, match="of the test"), first_token_only(model):
        raise RuntimeError("of the test")
    assert "forward" not in vars(layer_stack(model)[1][-1])
