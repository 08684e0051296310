"""Training the occurring words alone: the weights must come out as plain PyTorch trains the whole matrix."""

import pytest
import torch
from tiny_models import CONFIGS, tiny_classifier, tiny_tokenizer
from torch import nn

from foreshot.models.batches import EncodedRows
from foreshot.progress import Silent
from foreshot.settings.experiment import Training
from foreshot.training.loop import train
from foreshot.training.vocabulary import OccurringWords, occurring_words_only

ROWS = EncodedRows(ids=[[2, 10, 11, 3], [2, 12, 3], [2, 10, 13, 14, 3], [2, 15, 3]], tokenizer=tiny_tokenizer())
NEVER = [word for word in range(50) if word not in {0, 1, 2, 3, *range(10, 16)}]
NEXT_TO_NONE = 1e-30  # a decay that changes no float32, but has every word trained


def word_vectors(model) -> torch.Tensor:
    return model.get_input_embeddings().weight.detach().clone()


def trained(architecture: str, weight_decay: float):
    model = tiny_classifier(architecture, 2)
    train(
        model,
        ROWS,
        [0, 1, 0, 1],
        settings=Training(epochs=6, batch_size=2, weight_decay=weight_decay),
        learning_rate=1e-2,
        seed=0,
        progress=Silent(),
    )
    return model


@pytest.mark.parametrize("architecture", CONFIGS)
def test_weights_are_those_of_training_the_whole_matrix(architecture):
    before = word_vectors(tiny_classifier(architecture, 2))
    part, whole = trained(architecture, 0.0), trained(architecture, NEXT_TO_NONE)
    assert isinstance(part.get_input_embeddings(), nn.Embedding)
    assert part.state_dict().keys() == whole.state_dict().keys()
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(part.state_dict()[name], tensor, atol=2e-5, rtol=1e-4, msg=name)
    after = word_vectors(part)
    assert torch.equal(after[NEVER], before[NEVER])
    assert not torch.isclose(after[10:16], before[10:16]).all(dim=1).any()


def test_the_optimizer_sees_the_occurring_words_alone():
    model = tiny_classifier("bert", 2)
    whole = model.get_input_embeddings()
    with occurring_words_only(model, ROWS):
        assert whole.weight.shape not in {parameter.shape for parameter in model.parameters()}
        assert model.get_input_embeddings().embedding.weight.shape == (9, 16)  # 0, 2, 3 and 10 to 15
    assert model.get_input_embeddings() is whole


def test_words_that_are_not_trained_are_left_alone():
    model = tiny_classifier("bert", 2)
    whole = model.get_input_embeddings()
    whole.weight.requires_grad_(False)
    with occurring_words_only(model, ROWS):
        assert model.get_input_embeddings() is whole


def test_a_stopped_training_gives_the_model_its_words_back():
    model = tiny_classifier("bert", 2)
    whole = model.get_input_embeddings()
    with pytest.raises(KeyboardInterrupt), occurring_words_only(model, ROWS):
        raise KeyboardInterrupt
    assert model.get_input_embeddings() is whole


def test_a_word_that_was_not_kept_is_refused():
    words = OccurringWords(nn.Embedding(50, 4), torch.tensor([0, 3]))
    with pytest.raises(IndexError):
        words(torch.tensor([[7]]))
