"""What is found out about a model when it is found, and what is refused; each family as docs/encoders.md has it."""

import json

import numpy as np
import pytest
import torch
from families import families, tiny_family
from tiny_models import WORDS, tiny_classifier, tiny_tokenizer
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from foreshot.errors import ModelError
from foreshot.models.batches import EncodedRows, collate
from foreshot.models.classifiers import HubClassifier
from foreshot.models.encoders import ModelSource, longest_input
from foreshot.models.examination import Examination, examine
from foreshot.progress import Silent

WORKS = Examination(depends_on_batch=False, first_token_blind=False)
BLIND = Examination(depends_on_batch=False, first_token_blind=True)
UNEQUAL = Examination(depends_on_batch=True, first_token_blind=False)


def examined(model, tokenizer=None, *, longest: int | None = None, **how) -> Examination:
    source = ModelSource(name="found", folder=None, config=model.config, fingerprint="")
    return examine(source, model, tokenizer or tiny_tokenizer(), longest or min(longest_input(model), 64), **how)


def refused(*arguments, **how) -> str:
    with pytest.raises(ModelError) as caught:
        examined(*arguments, **how)
    assert str(caught.value).startswith("found: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("family", ["fnet", "convbert", "mobilebert", "xlnet"])
def test_families_that_look_at_padding_are_found(family):
    model = tiny_family(family)
    assert examined(model, in_batches=False) == UNEQUAL
    assert "looks at the padding of a batch" in refused(model)


@pytest.mark.parametrize("family", ["gpt2", "qwen2", "opt"])
def test_decoders_are_found(family):
    assert examined(tiny_family(family)) == BLIND


def test_an_encoder_whose_config_makes_a_decoder_of_it_is_found():
    assert examined(tiny_family("bert", is_decoder=True)) == BLIND


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "modernbert", "deberta-v2", "mpnet"])
def test_an_encoder_passes(family):
    for longest in (3, 4, 9, 30):  # also where texts are cut to a token between those at both ends
        assert examined(tiny_classifier(family, 2), longest=longest) == WORKS


@pytest.mark.parametrize(
    ("family", "longest"),
    [
        *(("bert", 64), ("eurobert", 64), ("xlnet", 2**31), ("opt", 64)),
        *((family, 62) for family in ("mpnet",)),  # whose padding is at 1, whatever the config says
        *((family, 63) for family in ("longformer", "roberta-prelayernorm", "data2vec-text", "esm", "ibert", "xmod")),
    ],
)
def test_positions_that_begin_after_the_padding_are_counted(family, longest):
    model = tiny_family(family)
    assert longest_input(model) == longest
    assert examined(model, longest=min(longest, 64), in_batches=False)
    if family not in {"eurobert", "xlnet"}:  # whose positions have no end
        assert f"fails on a text of {longest + 1} tokens" in refused(model, longest=longest + 1)


def test_another_padding_token_moves_the_positions():
    assert longest_input(tiny_family("roberta", pad_token_id=5)) == 64 - 6


def test_a_model_that_fails_on_short_texts_is_refused():
    for family in ("funnel", "canine", "nystromformer"):
        assert "fails on a text of 2 tokens (" in refused(tiny_family(family))


def test_a_model_whose_outputs_are_no_numbers_is_refused():
    model = tiny_classifier("bert", 2)
    with torch.no_grad():
        model.classifier.bias[0] = float("nan")
    assert "its outputs on a text of 2 tokens are no numbers" in refused(model)


@pytest.mark.parametrize("special", [False, True])
def test_tokens_without_a_row_of_the_embedding_are_refused(special):
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["@user", "#topic"], special_tokens=special)
    message = refused(tiny_classifier("bert", 2), tokenizer)
    assert "its embedding of 50 rows has none for (#topic, @user); add rows with resize_token_embeddings" in message


def test_a_tokenizer_of_special_tokens_alone_is_refused():
    """As Transformers saves one whose vocabulary it was given under a name that it doesn't know."""
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    alone = Tokenizer(WordLevel({name: number for number, name in enumerate(names)}, unk_token="[UNK]"))
    kinds = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), names, strict=True))
    empty = PreTrainedTokenizerFast(tokenizer_object=alone, **kinds)
    assert "its tokenizer knows no word but [" in refused(tiny_classifier("bert", 2), empty)


def test_an_embedding_with_rows_to_spare_is_fine():
    model = tiny_classifier("bert", 2)
    model.resize_token_embeddings(64)
    assert examined(model) == WORKS


def test_token_types_that_nobody_gives_are_refused():
    tokenizer = tiny_tokenizer()
    ends = [(token, WORDS.index(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="[CLS]:1 $A:0 [SEP]:0", special_tokens=ends)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    assert "other types than 0" in refused(tiny_classifier("bert", 2), tokenizer)
    assert examined(tiny_classifier("distilbert", 2), tokenizer) == WORKS  # which has none


def test_a_decoder_learns_what_pads_a_text_from_its_tokenizer():
    model = tiny_family("gpt2", pad_token_id=None)
    assert examined(model) == BLIND
    assert model.config.pad_token_id == WORDS.index("[PAD]")


def test_a_decoder_that_was_trained_with_another_padding_is_refused():
    """It looks for the last token that isn't its own padding, and would take ours for the text's end."""
    assert "looks at the padding" in refused(tiny_family("gpt2", pad_token_id=3))


# ---- as a classifier of a folder ----


def classifier(folder, family: str, **of_tokenizer) -> HubClassifier:
    """A classifier whose tokenizer_config.json has these fields."""
    tiny_family(family).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), **of_tokenizer}))
    return HubClassifier(str(folder))


def plain_logits(found: HubClassifier, text: str) -> np.ndarray:
    """What Transformers says of a text by itself."""
    inputs = found.tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    with torch.inference_mode():
        return found.model(**inputs).logits[0].numpy()


@pytest.mark.parametrize("family", ["bert", "fnet", "convbert", "xlnet", "gpt2", "qwen2", "albert"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_text_scores_beside_a_longer_one_as_by_itself(family, side, tmp_path):
    found = classifier(tmp_path, family, padding_side=side)
    assert found.tokenizer.padding_side == "right"
    texts = ["w5", "w6 w7 w8 w9 w10 w11 w12 w13 w14", "w15 w16 w17"]
    logits = found.logits(texts, Silent())
    for text, row in zip(texts, logits, strict=True):
        np.testing.assert_allclose(row, plain_logits(found, text), atol=1e-5)


def test_padding_follows_no_setting_of_the_tokenizer(tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.padding_side, tokenizer.model_input_names = "left", ["attention_mask", "input_ids"]
    inputs = collate(EncodedRows(ids=[[2, 9, 3], [2, 3]], tokenizer=tokenizer), np.array([1, 0]))
    assert inputs["input_ids"].tolist() == [[2, 3, 0], [2, 9, 3]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]


def test_a_classifier_of_a_tokenizer_without_padding_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(ModelError, match="no padding token; name one of its tokens as pad_token in its"):
        classifier(tmp_path, "gpt2", pad_token=None)


# ---- the page ----


@pytest.mark.slow
@pytest.mark.parametrize("family", families())
def test_the_page_says_what_is_so_of_each_family(family, tmp_path):
    compare, check = families()[family]
    if check.startswith("no"):
        with pytest.raises(ModelError):
            classifier(tmp_path, family)
        return
    found = classifier(tmp_path, family)
    assert (found.batch_size == 1) == check.startswith("one at a time")
    if compare.startswith("yes"):
        assert examined(found.model) == WORKS
