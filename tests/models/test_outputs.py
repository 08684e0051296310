"""A model's outputs on rows: in the rows' order, whatever order and padding the batches had."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from tiny_models import tiny_classifier, tiny_tokenizer

from foreshot.models import outputs
from foreshot.models.batches import EncodedRows
from foreshot.models.outputs import forward, model_outputs, sentence_representation
from foreshot.progress import Silent
from waiting import PATIENCE


@pytest.fixture
def rows() -> EncodedRows:
    rng = random.Random(0)
    ids = [[2, *(rng.randrange(5, 50) for _ in range(rng.randrange(1, 30))), 3] for _ in range(23)]
    return EncodedRows(ids=ids, tokenizer=tiny_tokenizer())


@pytest.mark.parametrize("architecture", ["bert", "mpnet", "modernbert", "deberta-v2", "distilbert"])
@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_outputs_are_those_of_each_row_alone_in_the_order_of_the_rows(rows, architecture, batch_size):
    model = tiny_classifier(architecture, 2, labels=3)
    found = model_outputs(model, rows, batch_size=batch_size)
    assert found.logits.dtype == found.representations.dtype == np.float32
    assert found.logits.shape == (23, 3)
    assert found.representations.shape == (23, 16)
    for row, ids in enumerate(rows.ids):
        with torch.inference_mode():
            alone = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        assert found.logits[row] == pytest.approx(alone.logits[0].numpy(), abs=1e-5)
        assert found.representations[row] == pytest.approx(alone.hidden_states[-1][0, 0].numpy(), abs=1e-5)
    assert np.abs(found.logits - found.logits[::-1]).max() > 1e-3  # another order would be seen


def test_dropout_is_off_and_the_mode_is_put_back(rows):
    model = tiny_classifier("bert", 2)
    still = model_outputs(model, rows)
    assert not model.training
    model.train()
    assert np.array_equal(model_outputs(model, rows).logits, still.logits)
    assert model.training


def test_the_representation_is_the_first_tokens_final_state():
    states = torch.arange(24.0).reshape(2, 3, 4)
    assert sentence_representation(states).tolist() == [[0, 1, 2, 3], [12, 13, 14, 15]]


def test_forward_gives_a_representation_that_gradients_flow_through():
    model = tiny_classifier("bert", 2)
    logits, representations = forward(model, {"input_ids": torch.tensor([[2, 9, 3]])})
    assert logits.shape == (1, 2)
    representations.sum().backward()
    assert model.bert.encoder.layer[1].output.dense.weight.grad is not None


def test_progress_counts_rows(rows):
    class Counting(Silent):
        rows = 0

        def advance(self, units: int, state: str = "") -> None:
            self.rows += units

    counting = Counting()
    model_outputs(tiny_classifier("bert", 1), rows, batch_size=4, progress=counting)
    assert counting.rows == 23


def test_no_rows_are_an_error():
    with pytest.raises(ValueError, match="no rows"):
        model_outputs(tiny_classifier("bert", 1), EncodedRows(ids=[], tokenizer=tiny_tokenizer()))


@pytest.mark.parametrize("architecture", ["bert", "deberta-v2", "modernbert"])
def test_the_bits_are_the_same_however_many_threads_there_are(rows, architecture):
    """Batches run side by side, each on one thread; DeBERTa's last layer is another one meanwhile."""
    model, before = tiny_classifier(architecture, 2), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(model_outputs(model, rows, batch_size=2))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(one.logits, found[0].logits) for one in found)
    assert all(np.array_equal(one.representations, found[0].representations) for one in found)


def test_batches_run_side_by_side_and_those_not_begun_are_left_when_it_is_stopped(monkeypatch):
    together, stopping, asked, before = threading.Barrier(2), threading.Event(), [], torch.get_num_threads()

    class Stopping(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            stopping.set()
            super().shutdown(wait=wait)

    def ask(number: np.ndarray) -> np.ndarray:
        asked.append(number)
        if number < 2:
            together.wait(timeout=PATIENCE)  # raises, if it is alone
        else:
            assert stopping.wait(timeout=PATIENCE)
        return number

    def stopped() -> None:
        with outputs._side_by_side(ask, np.arange(50), torch.device("cpu")) as answers:
            assert next(answers) == 0
            raise KeyboardInterrupt

    monkeypatch.setattr(outputs, "ThreadPoolExecutor", Stopping)
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            stopped()
    finally:
        torch.set_num_threads(before)
    assert len(asked) <= 4  # two that ended, and one that each thread had begun
