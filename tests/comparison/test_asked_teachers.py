"""Teachers of any family, asked: each says what the model alone says of each text, in its own tokens."""

from pathlib import Path

import numpy as np
import pytest
import torch
from families import tiny_family
from tiny_models import VOCABULARY, tiny_classifier, tiny_tokenizer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from cli_runs import make_comments, write_csv
from foreshot.comparison.asked_teachers import AskedClassifier, outputs_of
from foreshot.comparison.inputs import Inputs, read_inputs
from foreshot.comparison.teacher import save_asked
from foreshot.errors import ConfigError
from foreshot.progress import Silent
from foreshot.settings.experiment import make_experiment

TEXTS = ["the", "the lovely cook read this page", "that song of the mayor and the painter"]


def own_tokenizer() -> PreTrainedTokenizerFast:
    """Words of the comments by number, with no token at either end, so that a decoder's classifier has it too."""
    words = sorted({word for text, _ in make_comments() for word in text.split()})[: VOCABULARY - 2]
    numbers = {word: number for number, word in enumerate(["<pad>", "<unk>", *words])}
    tokenizer = Tokenizer(WordLevel(numbers, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


def inputs_of(folder: Path, teacher: torch.nn.Module, *, width: int = 16, **settings: object) -> Inputs:
    """What a comparison reads whose encoder is a BERT of another vocabulary."""
    encoder = tiny_family("bert", hidden_size=width, num_hidden_layers=2)
    encoder.base_model.save_pretrained(folder / "encoder")
    tiny_tokenizer().save_pretrained(folder / "encoder")
    teacher.save_pretrained(folder / "teacher")
    own_tokenizer().save_pretrained(folder / "teacher")
    data = write_csv(folder / "comments.csv", make_comments(60))
    asked = {
        **{"name": "own", "data": str(data), "text": "comment", "label": "toxic", "suite": "none", "recipes": ["odd"]},
        **{"encoder": str(folder / "encoder"), "teacher": str(folder / "teacher"), "training": {"max_length": 16}},
    }
    return read_inputs(make_experiment({**asked, **settings}))


@torch.inference_mode()
def said_alone(model: torch.nn.Module, folder: Path, text: str) -> np.ndarray:
    ids = torch.tensor([AutoTokenizer.from_pretrained(folder)(text)["input_ids"]])
    return model(input_ids=ids).logits[0].numpy()


@pytest.mark.parametrize("family", ["roberta", "albert", "modernbert", "gpt2", "fnet", "xlnet"])
def test_a_teacher_of_any_family_says_what_it_says_of_each_text_alone(family, tmp_path):
    model = tiny_family(family)
    inputs = inputs_of(tmp_path, model)
    (teacher,) = inputs.asked_teachers
    assert isinstance(teacher, AskedClassifier)
    found = outputs_of(teacher, TEXTS, Silent())
    expected = np.stack([said_alone(model, tmp_path / "teacher", text) for text in TEXTS])
    np.testing.assert_allclose(found.logits, expected, rtol=1e-4, atol=1e-5)
    said = " ".join(inputs.announcements)
    blind = family == "gpt2"
    assert (found.representations is None) == blind
    assert ("its logits alone teach" in said) == blind
    assert ("the loss cosine is left out" in said) == blind
    assert ("each text is asked alone" in said) == (family in {"fnet", "xlnet"})
    (tmp_path / "saved").mkdir()
    save_asked(teacher, TEXTS, tmp_path / "saved")


def test_its_representations_are_compared_as_they_are_where_the_widths_agree(tmp_path):
    model = tiny_family("roberta")
    inputs = inputs_of(tmp_path, model)
    assert inputs.teacher_width == 16
    assert not [line for line in inputs.announcements if "linear map" in line]
    wider = inputs_of(tmp_path, model, width=32)
    assert [line for line in wider.announcements if "has 16 numbers, a student's 32" in line]
    by_logits = inputs_of(tmp_path, model, width=32, distillation={"cosine_on": "logits"})
    assert not [line for line in by_logits.announcements if "linear map" in line]


def test_a_teacher_with_fewer_positions_looks_at_the_beginning(tmp_path):
    inputs = inputs_of(tmp_path, tiny_family("bert", max_position_embeddings=9), training={"max_length": 16})
    (teacher,) = inputs.asked_teachers
    assert [line for line in inputs.announcements if "looks at the first 9 tokens of a text" in line]
    long, cut = (" ".join(["the"] * words) for words in (14, 9))
    logits = teacher.logits([long, cut], Silent())
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-6)


def test_a_given_teacher_of_another_width_teaches_through_a_projection_too(tmp_path):
    """Its vocabulary is the encoder's, so that it could give layers; this recipe starts from the encoder."""
    tiny_classifier("bert", 2).save_pretrained(tmp_path / "teacher")
    tiny_family("bert", hidden_size=32, num_hidden_layers=2).base_model.save_pretrained(tmp_path / "encoder")
    for model in ("teacher", "encoder"):
        tiny_tokenizer().save_pretrained(tmp_path / model)
    data = write_csv(tmp_path / "comments.csv", make_comments(60))
    asked = {
        **{"name": "own", "data": str(data), "text": "comment", "label": "toxic", "suite": "none"},
        **{"encoder": str(tmp_path / "encoder"), "teacher": str(tmp_path / "teacher"), "training": {"max_length": 16}},
    }
    inputs = read_inputs(make_experiment({**asked, "recipes": ["lora-distil"]}))
    assert inputs.asked_teachers == ()
    assert [line for line in inputs.announcements if "has 16 numbers, a student's 32" in line]
    with pytest.raises(ConfigError, match="set weights\\.hidden: 0"):
        read_inputs(make_experiment({**asked, "recipes": ["lora-distil"], "distillation": {"weights": {"hidden": 1}}}))
