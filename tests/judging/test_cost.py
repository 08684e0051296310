"""Costs: by hand, and against the model's own count."""

import pytest
from tiny_models import CONFIGS, tiny_classifier

from foreshot.judging.cost import cost
from foreshot.models.students import keep_layers


def test_cost_by_hand(tmp_path):
    keep_layers(tiny_classifier("bert", 6), (1, 3, 5)).save_pretrained(tmp_path)
    found = cost(tmp_path, layers=3, trained_parameters=7)
    embeddings = (50 + 40 + 2) * 16 + 2 * 16  # words, positions, segments, norm
    layer = 4 * (16 * 16 + 16) + (16 * 24 + 24) + (24 * 16 + 16) + 4 * 16  # q k v o, in, out, two norms
    assert found.parameters == embeddings + 3 * layer + (16 * 16 + 16) + (16 * 2 + 2)  # and pooler and head
    assert (found.layers, found.trained_parameters) == (3, 7)
    assert found.size_on_disk == (tmp_path / "model.safetensors").stat().st_size > 4 * found.parameters


@pytest.mark.parametrize("architecture", CONFIGS)
def test_parameters_are_those_that_the_model_counts(architecture, tmp_path):
    model = tiny_classifier(architecture, 2)
    model.save_pretrained(tmp_path)
    assert cost(tmp_path, layers=2, trained_parameters=0).parameters == model.num_parameters()


def test_weights_in_several_files_are_added_up(tmp_path):
    model = tiny_classifier("bert", 4)
    model.save_pretrained(tmp_path, max_shard_size="15KB")
    files = list(tmp_path.glob("*.safetensors"))
    assert len(files) > 1
    found = cost(tmp_path, layers=4, trained_parameters=0)
    assert found.parameters == model.num_parameters()
    assert found.size_on_disk == sum(file.stat().st_size for file in files)


def test_files_in_folders_below_are_not_the_model(tmp_path):
    model = tiny_classifier("bert", 2)
    model.save_pretrained(tmp_path)
    alone = cost(tmp_path, layers=2, trained_parameters=0)
    for below in ("adapter", "scores"):
        model.save_pretrained(tmp_path / below)
    assert cost(tmp_path, layers=2, trained_parameters=0) == alone
