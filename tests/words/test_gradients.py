"""Integrated gradients: exact on a linear model, near a Riemann sum on another, complete on every architecture."""

import re
import unicodedata

import numpy as np
import pytest
import torch
from tiny_models import CONFIGS, logits_of, some_inputs, tiny_classifier, tiny_tokenizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from foreshot.errors import ConfigError, ModelError
from foreshot.models.encoders import head_modules
from foreshot.runtime.log_odds import Target
from foreshot.runtime.words import Word, words_of
from foreshot.words import gradients as attribution
from foreshot.words.gradients import attribute, gather_words, integrated_gradients, tensor_log_odds

TEXT = "w1 (w2), w3! w2"


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"mask_token": "w9"})
    return tokenizer


@pytest.fixture(scope="module")
def model():
    return firm_classifier("bert")


def firm_classifier(architecture, **options):
    """A tiny classifier with a head that makes much of little, so that its words' scores aren't close to nothing."""
    model = tiny_classifier(architecture, 2, **options)
    with torch.no_grad():
        for name in head_modules(model):
            for parameter in model.get_submodule(name).parameters():
                parameter.mul_(10)
    model.config.pad_token_id = 0  # the tokenizer's, where RoBERTa's own is 1
    if hasattr(model.base_model.embeddings, "padding_idx"):
        model.base_model.embeddings.padding_idx = 0
    return model


def explained(model, tokenizer, text=TEXT, target=Target(index=1), **options):  # noqa: B008
    (found,) = attribute(model, tokenizer, [text], [words_of(text)], [target], **{"max_length": 30, **options})
    return found


# ---- the core, on functions ----


def test_a_linear_function_worked_out_by_hand():
    """f = 2·(x₁₁ + 10 x₁₂) + 3·(x₂₁ + 10 x₂₂) + 7: a token adds its weight times how far it is from the baseline."""
    weights = torch.tensor([[2.0, 20.0], [3.0, 30.0]])
    vectors = torch.tensor([[1.0, 2.0], [4.0, -1.0]])
    baselines = torch.stack([torch.zeros(2, 2), torch.tensor([[1.0, 1.0], [0.0, 0.0]])])
    for steps, rows_at_once in ((1, 1), (5, 3), (8, 1000)):
        found = integrated_gradients(
            lambda rows: (rows * weights).sum(dim=(1, 2)) + 7,
            vectors,
            baselines,
            steps=steps,
            rows_at_once=rows_at_once,
        )
        assert found.tolist() == [pytest.approx([42, -18], rel=1e-6), pytest.approx([20, -18], rel=1e-6)]
        # completeness: f(x) = 42 − 18 + 7 = 31, f(0) = 7, f(second) = 29
        assert found.sum(dim=1).tolist() == pytest.approx([31 - 7, 31 - 29], rel=1e-6)


def test_another_function_against_a_plain_riemann_sum():
    torch.manual_seed(0)
    first, second = torch.randn(3, 4, 5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)

    def function(rows):
        return torch.tanh(torch.einsum("rth,thk->rk", rows, first)) @ second

    vectors = torch.randn(3, 4, dtype=torch.float64)
    baselines = torch.stack([torch.zeros(3, 4, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)])
    found = integrated_gradients(function, vectors, baselines, steps=60, rows_at_once=7)
    for baseline, scores in zip(baselines, found, strict=True):
        shares = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
        points = (baseline + shares[:, None, None] * (vectors - baseline)).requires_grad_()
        gradients = torch.autograd.grad(function(points).sum(), points)[0].mean(dim=0)
        expected = ((vectors - baseline) * gradients).sum(dim=1)
        assert torch.allclose(scores, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(index=0), 1 - np.log(np.exp(3) + np.exp(-2))),
        (Target(index=1), 3 - np.log(np.exp(1) + np.exp(-2))),
        (Target(index=1, temperature=2), 1.5 - np.log(np.exp(0.5) + np.exp(-1))),
        (Target(index=1, negated=True), np.log(np.exp(1) + np.exp(-2)) - 3),
        (Target(index=2, multi_label=True), -2),
        (Target(index=2, multi_label=True, negated=True, temperature=4), 0.5),
    ],
)
def test_log_odds_by_hand_and_by_the_probability(target, expected):
    logits = torch.tensor([[1.0, 3.0, -2.0]])
    found = tensor_log_odds(target, logits)
    assert found.tolist() == pytest.approx([expected], rel=1e-6)
    assert target.log_odds(logits.numpy()).tolist() == pytest.approx([expected], rel=1e-12)
    scaled = logits / target.temperature
    share = (scaled.sigmoid() if target.multi_label else scaled.softmax(dim=1))[0, target.index].item()
    share = 1 - share if target.negated else share
    assert found.item() == pytest.approx(np.log(share) - np.log(1 - share), rel=1e-5)


# ---- tokens to words ----


@pytest.mark.parametrize(
    ("spans", "scores", "rest"),
    [
        ([(0, 3), (4, 6), (6, 9)], [1, 2 + 4], 0),
        ([(0, 1), (1, 3), (3, 9)], [1 + 2, 4], 0),  # a piece with its space before it
        ([(0, 0), (9, 10), (3, 4)], [0, 0], 1 + 2 + 4),  # special, punctuation, white space
        ([(0, 6), (0, 9), (2, 5)], [1 + 4, 2], 0),  # of two words, the one that it shares most with, else the first
        ([(4, 5), (4, 5), (4, 5)], [0, 7], 0),  # bytes of one character
    ],
)
def test_pieces_are_gathered_by_what_they_share_with_words(spans, scores, rest):
    words = [Word(begin=0, end=3, word="abc"), Word(begin=4, end=9, word="defgh")]
    found, left = gather_words(np.array([1.0, 2.0, 4.0]), spans, words)
    assert found.tolist() == scores
    assert left == rest
    assert gather_words(np.array([1.0, 2.0]), spans[:2], [])[1] == 3


def byte_tokenizer() -> Tokenizer:
    """Each byte of UTF-8 is a token, as in RoBERTa's vocabulary where it knows nothing longer."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


def letter_tokenizer() -> Tokenizer:
    """Each letter without its accents is a token, as in BERT's vocabulary where it knows nothing longer."""
    letters = "acefhnstuwxyשלום😀👍🏽!,()"
    vocabulary = ["[UNK]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(vocabulary)}))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


@pytest.mark.parametrize(
    ("make", "tokens_of"),
    [
        (byte_tokenizer, lambda word: len(word.encode())),
        (letter_tokenizer, lambda word: len(re.sub("[\u0300-\u05c7]", "", unicodedata.normalize("NFD", word)))),
    ],
)
def test_a_tokenizers_offsets_lead_to_the_words_whatever_the_script(make, tokens_of):
    text = "(café, 👍🏽) x\u0323 😀😀! שָׁלוֹם, ￼"
    words = words_of(text)[:-1]
    encoded = make().encode(text)
    scores, rest = gather_words(np.ones(len(encoded.ids)), encoded.offsets, words)
    assert [word.word for word in words] == ["café", "👍🏽", "x\u0323", "😀😀", "שָׁלוֹם"]
    assert scores.tolist() == [tokens_of(word.word) for word in words]
    assert rest == len(encoded.ids) - scores.sum() > 5


def test_scores_belong_to_the_words_of_their_tokens(model, tokenizer, monkeypatch):
    """Token number i adds i: [CLS] w1 ( w2 ), w3 ! w2 [SEP] are eleven, of which punctuation is several."""
    monkeypatch.setattr(
        attribution,
        "integrated_gradients",
        lambda _, vectors, baselines, **__: torch.arange(float(len(vectors))).expand(len(baselines), -1),
    )
    found = explained(model, tokenizer)
    pieces = tokenizer.tokenize(TEXT)
    assert pieces == ["w1", "[UNK]", "w2", "[UNK]", "w3", "[UNK]", "w2"]
    assert found.scores.tolist() == [1, 3, 5, 7]
    assert found.rest == 0 + 2 + 4 + 6 + 8


# ---- models ----


@pytest.mark.parametrize("architecture", CONFIGS)
def test_word_vectors_give_the_logits_of_their_ids(architecture):
    model = tiny_classifier(architecture, 2)
    inputs = some_inputs()
    with torch.inference_mode():
        vectors = model.get_input_embeddings()(inputs["input_ids"])
        found = model(inputs_embeds=vectors, attention_mask=inputs["attention_mask"]).logits
    assert torch.allclose(found, logits_of(model), atol=1e-6)


@pytest.mark.parametrize("architecture", CONFIGS)
def test_scores_and_rest_add_up_on_every_architecture(architecture, tokenizer):
    model = firm_classifier(architecture, labels=3)
    ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
    found = explained(model, tokenizer, target=Target(index=2), baselines=("mask", "pad", "zero", "mean"))
    with torch.inference_mode():
        probabilities = model(input_ids=ids).logits.double().softmax(dim=1)[0]
    assert found.log_odds == pytest.approx(float(torch.logit(probabilities[2])), abs=1e-4)
    assert list(found.deltas) == ["mask", "pad", "zero", "mean"]
    difference = found.log_odds - np.mean(list(found.baseline_log_odds.values()))
    assert found.scores.sum() + found.rest + np.mean(list(found.deltas.values())) == pytest.approx(difference, abs=1e-6)
    # LayerNorm makes much of what is next to zero vectors, and ModernBERT's has no bias that would soften it
    assert abs(found.deltas["mask"]) + abs(found.deltas["pad"]) + abs(found.deltas["mean"]) < 1e-3
    assert found.scores.shape == (4,)
    assert np.abs(found.scores).max() > 0.02


def test_the_scores_are_the_mean_over_baselines_of_what_each_gives(model, tokenizer):
    each = [explained(model, tokenizer, baselines=[name]) for name in ("mask", "zero")]
    both = explained(model, tokenizer, baselines=["mask", "zero"])
    assert both.scores == pytest.approx((each[0].scores + each[1].scores) / 2, abs=1e-6)
    assert both.deltas == pytest.approx({**each[0].deltas, **each[1].deltas}, abs=1e-6)
    assert not np.allclose(each[0].scores, each[1].scores, atol=1e-3)


def test_baselines_are_what_their_names_say_and_special_tokens_stay(model, tokenizer):
    weight = model.get_input_embeddings().weight.detach()
    ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
    found = explained(model, tokenizer, baselines=["mask", "pad", "zero", "mean"])
    references = {"mask": weight[13], "pad": weight[0], "zero": 0 * weight[0], "mean": weight.mean(dim=0)}
    for name, reference in references.items():
        vectors = weight[ids].clone()
        vectors[0, 1:-1] = reference
        with torch.inference_mode():
            logits = model(inputs_embeds=vectors).logits[0]
        assert found.baseline_log_odds[name] == pytest.approx(float(logits[1] - logits[0]), abs=1e-5), name


def test_more_steps_leave_less_over(model, tokenizer):
    few, many = (explained(model, tokenizer, baselines=["zero"], steps=steps) for steps in (1, 64))
    assert abs(few.deltas["zero"]) > 10 * abs(many.deltas["zero"])


def test_how_many_steps_are_computed_at_once_changes_nothing(model, tokenizer, monkeypatch):
    whole = explained(model, tokenizer)
    monkeypatch.setattr(attribution, "TOKENS_AT_ONCE", 20)
    assert explained(model, tokenizer).scores == pytest.approx(whole.scores, abs=1e-6)


def test_the_model_is_left_as_it_was(model, tokenizer):
    still = next(model.parameters())
    still.requires_grad_(False)
    model.train()
    try:
        first, second = explained(model, tokenizer), explained(model, tokenizer)
        assert np.array_equal(first.scores, second.scores), "dropout was on"
        assert model.training
        assert [parameter.requires_grad for parameter in model.parameters()].count(False) == 1
        assert all(parameter.grad is None for parameter in model.parameters())
    finally:
        model.eval()
        still.requires_grad_(True)


def test_each_text_has_its_own_words_target_and_length(model, tokenizer):
    texts = ["w1 w2", "", "w5", "!"]
    targets = [Target(index=number % 2) for number in range(4)]
    done = []
    found = attribute(
        model, tokenizer, texts, [words_of(text) for text in texts], targets, max_length=30, progress=Counting(done)
    )
    assert [len(one.scores) for one in found] == [2, 0, 1, 0]
    assert done == [1, 1, 1, 1]
    assert found[1].rest == 0
    assert found[1].log_odds == pytest.approx(found[1].baseline_log_odds["mask"], abs=1e-6)
    assert found[3].rest != 0
    for text, target, one in zip(texts, targets, found, strict=True):
        assert one.log_odds == pytest.approx(explained(model, tokenizer, text, target).log_odds, abs=1e-5)


class Counting:
    def __init__(self, done):
        self.done = done

    def advance(self, units, state=""):
        self.done.append(units)


def test_words_that_the_model_does_not_see_have_no_score(model, tokenizer):
    text = " ".join(["w1"] * 12)
    found = explained(model, tokenizer, text, max_length=7)
    assert np.isnan(found.scores).tolist() == [False] * 5 + [True] * 7
    assert np.isfinite(found.rest)
    whole = explained(model, tokenizer, text, max_length=14)
    assert np.isfinite(whole.scores).all()


def test_a_word_that_the_tokenizer_drops_adds_nothing(model):
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("w9", "")
    found = explained(model, tokenizer, "w1 w9", baselines=["zero"])
    assert found.scores[1] == 0
    assert found.scores[0] != 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baselines": ["blur"]}, "baselines blur: is none of mask, pad, zero, mean"),
        ({"baselines": []}, "baselines: name at least one of mask, pad, zero, mean"),
        ({"steps": 0}, "steps 0: must be 1 to 1000"),
        ({"steps": 10**30}, f"steps {10**30}: must be 1 to 1000"),
    ],
)
def test_what_makes_no_sense_is_refused(model, tokenizer, options, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        explained(model, tokenizer, **options)


def test_a_mask_baseline_needs_a_mask_token(model):
    with pytest.raises(ConfigError, match="mask: the model's tokenizer has no mask token"):
        explained(model, tiny_tokenizer())


def test_a_model_that_answers_otherwise_to_word_vectors_is_refused(tokenizer):
    class Deaf(type(tiny_classifier("bert", 1))):
        def forward(self, input_ids=None, attention_mask=None, inputs_embeds=None, **more):
            half = None if inputs_embeds is None else inputs_embeds / 2
            return super().forward(input_ids=input_ids, attention_mask=attention_mask, inputs_embeds=half, **more)

    model = Deaf(tiny_classifier("bert", 1).config)
    with pytest.raises(ModelError, match="answers otherwise to word vectors"):
        explained(model, tokenizer)
    model.forward = lambda input_ids, attention_mask: None
    with pytest.raises(ModelError, match="takes no word vectors"):
        explained(model, tokenizer)
