"""Ready classifiers in Hugging Face's layout: scored as plain Transformers score them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_classifier, tiny_tokenizer

from foreshot.errors import ModelError
from foreshot.models.classifiers import HubClassifier
from foreshot.progress import Silent
from foreshot.results.decisions import Decision
from foreshot.runtime.decisions import save_decision

TEXTS = ["w1 w2 w3 w4 w5 w6", "w7", "w1 w2 w3 w8 w9"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    tiny_classifier(layers=2).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def test_logits_are_those_of_transformers_text_by_text(folder: Path) -> None:
    model, tokenizer = tiny_classifier(layers=2), tiny_tokenizer()
    with torch.inference_mode():
        expected = [model(**tokenizer(text, return_tensors="pt")).logits[0].numpy() for text in TEXTS]
    found = HubClassifier(str(folder)).logits(TEXTS, Silent())
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array(expected), abs=1e-5)


def test_what_it_says_of_itself(folder: Path) -> None:
    found = HubClassifier(str(folder))
    assert (found.name, found.labels, found.positive) == (str(folder), ["LABEL_0", "LABEL_1"], None)
    assert found.decision == Decision(policy="argmax")


def test_its_own_decision_counts(tmp_path: Path) -> None:
    tiny_classifier(layers=1).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    decision = Decision(policy="recall>=0.9", threshold=0.25, temperature=2.0)
    save_decision(decision, tmp_path)
    assert HubClassifier(str(tmp_path)).decision == decision


def test_texts_are_cut(folder: Path) -> None:
    texts = [TEXTS[0], TEXTS[2]]  # equal in their first three words: [CLS] and [SEP] make that five tokens
    cut = HubClassifier(str(folder), max_length=5).logits(texts, Silent())
    assert cut[0] == pytest.approx(cut[1], abs=1e-6)
    whole = HubClassifier(str(folder)).logits(texts, Silent())
    assert np.abs(whole[0] - whole[1]).max() > 1e-3


def test_a_text_longer_than_the_positions_is_cut(folder: Path) -> None:
    endless = " ".join(["w1"] * 1000)
    found = HubClassifier(str(folder)).logits([endless, f"{endless} w2"], Silent())
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_what_is_no_classifier(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json"):
        HubClassifier(str(tmp_path))
