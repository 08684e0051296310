"""How much layers matter: block influence and greedy removal, against slow ways to the same numbers."""

import itertools
from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_models import CONFIGS, VOCABULARY, tiny_classifier, tiny_tokenizer

from foreshot.judging.metrics import cross_entropy
from foreshot.models.batches import EncodedRows
from foreshot.models.importance import (
    block_influence,
    first_layer_stays,
    greedy_removal,
    ranked_by_influence,
    ranked_by_removal,
)
from foreshot.models.outputs import model_outputs
from foreshot.models.students import keep_layers

every_architecture = pytest.mark.parametrize("architecture", CONFIGS)


def some_rows(count: int = 7) -> EncodedRows:
    """Rows of different lengths, so that batches are padded."""
    rng = np.random.default_rng(0)
    ids = [[2, *rng.integers(5, VOCABULARY, length).tolist(), 3] for length in range(1, count + 1)]
    return EncodedRows(ids=ids, tokenizer=tiny_tokenizer())


ROWS = some_rows()
LABELS = np.array([0, 1, 1, 0, 1, 0, 1])


def loss_of_labels(logits: np.ndarray) -> float:
    return cross_entropy(logits, LABELS)


def make_identity(layer: torch.nn.Module) -> None:
    """A BERT layer that gives what it gets: nothing is added, and its norms leave what is normalised already."""
    with torch.no_grad():
        for part in (layer.attention.output, layer.output):
            part.dense.weight.zero_()
            part.dense.bias.zero_()
            part.LayerNorm.weight.fill_(1)
            part.LayerNorm.bias.zero_()


def with_plain_norms(layers: int):
    model = tiny_classifier("bert", layers)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "LayerNorm" in name:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
    return model


@every_architecture
@torch.inference_mode()
def test_influence_is_what_hidden_states_say_row_by_row(architecture):
    model = tiny_classifier(architecture, 3)
    model.config.output_hidden_states = True
    if architecture == "deberta-v2":
        model.deberta.encoder.conv = None  # it stands between the first layer and the second
    changes: list[list[float]] = [[], [], []]
    for ids in ROWS.ids:
        states = list(model(input_ids=torch.tensor([ids])).hidden_states)
        if architecture == "modernbert":
            states[3] = before_final_norm(model, ids)
        for layer, (before, after) in enumerate(itertools.pairwise(states)):
            changes[layer] += (1 - F.cosine_similarity(before[0], after[0], dim=-1)).tolist()
    assert len(changes[0]) == ROWS.lengths.sum()
    influence = block_influence(model, ROWS)
    assert influence == pytest.approx([np.mean(values) for values in changes], rel=1e-4, abs=1e-6)
    assert (influence > 1e-4).all()


def before_final_norm(model, ids: list[int]) -> torch.Tensor:
    plain = deepcopy(model)
    plain.model.final_norm = torch.nn.Identity()
    return plain(input_ids=torch.tensor([ids])).hidden_states[3]


def hooks_of(model) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


@every_architecture
def test_measuring_leaves_the_model_as_it_was(architecture):
    model = tiny_classifier(architecture, 3)
    logits = model_outputs(model, ROWS).logits
    hooks = hooks_of(model)
    block_influence(model, ROWS)
    greedy_removal(model, ROWS, loss_of_labels)
    assert np.array_equal(model_outputs(model, ROWS).logits, logits)
    assert hooks_of(model) == hooks


def test_a_layer_that_does_nothing_has_no_influence_and_goes_first():
    model = with_plain_norms(4)
    make_identity(model.bert.encoder.layer[2])
    influence = block_influence(model, ROWS)
    assert influence[2] == pytest.approx(0, abs=1e-6)
    assert (np.delete(influence, 2) > 0.01).all()
    assert ranked_by_influence(influence, first_stays=False)[-1] == 3
    # The labels are what the whole model says, so that no layer is in the way.
    certain = model_outputs(model, ROWS).logits
    loss_of = distance_to(certain)
    dropped = greedy_removal(model, ROWS, loss_of)
    assert dropped[0] == (3, pytest.approx(0, abs=1e-5))
    assert dropped[1][1] > 1e-4


def distance_to(logits: np.ndarray):
    return lambda found: float(np.abs(found - logits).mean())


def brute_force(model, loss_of) -> list[tuple[int, float]]:
    """The order of greedy removal, from the losses of every subset of layers."""
    losses = {
        kept: loss_of(model_outputs(keep_layers(model, kept), ROWS).logits)
        for size in (1, 2, 3)
        for kept in itertools.combinations((1, 2, 3, 4), size)
    }
    order, kept = [], (1, 2, 3, 4)
    while len(kept) > 1:
        smaller = min((rest for rest in losses if len(rest) == len(kept) - 1 and set(rest) < set(kept)), key=losses.get)
        order.append(((set(kept) - set(smaller)).pop(), losses[smaller]))
        kept = smaller
    return order


@pytest.mark.parametrize("seed", range(3))
def test_the_greedy_order_is_that_of_brute_force(seed):
    model, loss_of = tiny_classifier("bert", 4, seed=seed), loss_of_labels
    told = []
    found = greedy_removal(model, ROWS, loss_of, removed=lambda *one: told.append(one))
    assert found == brute_force(model, loss_of)
    assert told == found


def test_of_equal_layers_the_higher_one_goes_first():
    model = with_plain_norms(4)
    for layer in model.bert.encoder.layer:
        make_identity(layer)
    assert [number for number, _ in greedy_removal(model, ROWS, lambda _: 1.0)] == [4, 3, 2]
    assert ranked_by_influence(np.zeros(4), first_stays=False) == [1, 2, 3, 4]
    assert ranked_by_influence(np.array([0.1, 0.3, 0.1, 0.3]), first_stays=False) == [2, 4, 1, 3]
    assert block_influence(model, ROWS) == pytest.approx(np.zeros(4), abs=1e-6)


def test_the_ranking_of_a_removal_begins_with_the_layer_that_stayed():
    assert ranked_by_removal([(3, 0.1), (1, 0.2), (4, 0.3)], 4) == [2, 4, 1, 3]
    assert ranked_by_removal([], 1) == [1]


@every_architecture
def test_only_modernberts_first_layer_must_stay(architecture):
    model = tiny_classifier(architecture, 4)
    assert first_layer_stays(model) == (architecture == "modernbert")
    dropped = greedy_removal(model, ROWS, lambda logits: float(np.abs(logits).sum()))
    numbers = [number for number, _ in dropped]
    assert len(set(numbers)) == 3
    if architecture == "modernbert":
        assert 1 not in numbers
        assert ranked_by_removal(dropped, 4)[0] == 1


def test_a_first_layer_that_must_stay_is_ranked_first():
    assert ranked_by_influence(np.array([0.0, 0.3, 0.1]), first_stays=True) == [1, 2, 3]
    assert ranked_by_influence(np.array([0.0, 0.3, 0.1]), first_stays=False) == [2, 3, 1]
