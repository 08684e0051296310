"""Integrated gradients: what each word of a text adds to the log-odds of a label, by Captum, for models in PyTorch."""

import contextlib
import inspect
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from foreshot.data.texts import excerpt
from foreshot.errors import ConfigError, ModelError
from foreshot.progress import Progress, Silent
from foreshot.runtime.log_odds import Target
from foreshot.runtime.tokenization import span_of
from foreshot.runtime.words import Word
from foreshot.settings.experiment import MOST_STEPS

DEFAULT_BASELINES = ("mask", "pad", "zero")
STEPS = 32
TOKENS_AT_ONCE = 1024
"""Tokens of one forward and backward pass: more of them take gigabytes."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """What the words of one text add to a log-odds, in nats, as the mean over the baselines.

    `scores` (words,) are NaN for words that the model doesn't see, since the text is cut before them. `rest` is what
    belongs to no word: punctuation and special tokens. `deltas` are what the steps leave over for each baseline.
    Scores, rest and the mean of the deltas add up to `log_odds` minus the mean of `baseline_log_odds` (completeness).
    """

    scores: np.ndarray
    rest: float
    log_odds: float
    baseline_log_odds: dict[str, float]
    deltas: dict[str, float]


def attribute(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    words: Sequence[Sequence[Word]],
    targets: Sequence[Target],
    *,
    max_length: int,
    baselines: Sequence[str] = DEFAULT_BASELINES,
    steps: int = STEPS,
    progress: Progress | None = None,
) -> list[Attribution]:
    """The words' scores of each normalised text; each text that is done is reported.

    `words[i]` are those of text i in their order, not overlapping, and `targets[i]` the log-odds that they explain.
    Texts are cut to `max_length` tokens. `baselines` name what stands in place of every token but the special ones:
    the `mask` token, the `pad` token, `zero` vectors, or the `mean` word vector. Dropout is off; the model's mode and
    its parameters are left as they were. Raises ConfigError for an unknown baseline and for steps that are not 1 to
    MOST_STEPS, ModelError for a model or a tokenizer that this can't be done with.
    """
    progress = progress or Silent()
    with _frozen(model):
        check_attributable(model, tokenizer, baselines=baselines, steps=steps)
        references = _reference_vectors(model, tokenizer, baselines)
        found = []
        for text, its_words, target in zip(texts, words, targets, strict=True):
            tokens = _tokens(tokenizer, text, max_length)
            found.append(_attribution(model, tokens, its_words, target, references, steps))
            progress.advance(1)
    return found


def check_attributable(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    baselines: Sequence[str] = DEFAULT_BASELINES,
    steps: int = STEPS,
) -> None:
    """Raise what `attribute` would for this model, in evaluation mode, and these settings."""
    if not 1 <= steps <= MOST_STEPS:
        raise ConfigError(f"⟨steps⟩ {steps}: must be 1 to {MOST_STEPS}")
    if not tokenizer.is_fast:
        raise ModelError("its tokenizer doesn't say where in the text its tokens stand; give one with tokenizer.json")
    _reference_vectors(model, tokenizer, baselines)
    _check_word_vectors(model, tokenizer)


def integrated_gradients(
    function: Callable[[torch.Tensor], torch.Tensor],
    vectors: torch.Tensor,
    baselines: torch.Tensor,
    *,
    steps: int,
    rows_at_once: int,
) -> torch.Tensor:
    """What each token adds to a function's value, from each baseline: (baselines, tokens), summed over its vector.

    Sundararajan et al. 2017 (arXiv:1703.01365), eq. 1, by Gauss-Legendre quadrature on `steps` points. `function`
    gives (rows,) for (rows, tokens, hidden); `vectors` are (tokens, hidden), `baselines` (baselines, tokens, hidden).
    """
    from captum.attr import IntegratedGradients  # it takes half a second to import

    attributions = IntegratedGradients(function).attribute(
        vectors.expand_as(baselines).contiguous(),
        baselines=baselines,
        n_steps=steps,
        internal_batch_size=max(rows_at_once, len(baselines)),
    )
    return attributions.detach().sum(dim=-1)


def tensor_log_odds(target: Target, logits: torch.Tensor) -> torch.Tensor:
    """`Target.log_odds` with gradients: logits (rows, labels) → (rows,), of their type."""
    scaled = logits / target.temperature
    found = scaled[:, target.index]
    if not target.multi_label:
        others = [number for number in range(logits.shape[1]) if number != target.index]
        found = found - torch.logsumexp(scaled[:, others], dim=1)
    return -found if target.negated else found


def gather_words(
    token_scores: np.ndarray, spans: Sequence[tuple[int, int]], words: Sequence[Word]
) -> tuple[np.ndarray, float]:
    """The sum of each word's tokens (words,), and what belongs to none.

    Token i of scores (tokens,) stands for the characters `spans[i]`, none where begin = end. It belongs to the word
    that it shares most characters with, of equals the first.
    """
    begins = [word.begin for word in words]
    scores, rest = np.zeros(len(words)), 0.0
    for score, (begin, end) in zip(token_scores.tolist(), spans, strict=True):
        first = max(bisect_right(begins, begin) - 1, 0)
        last = bisect_right(begins, end - 1)
        shared = {
            number: min(end, words[number].end) - max(begin, words[number].begin) for number in range(first, last)
        }
        best = max(shared, key=shared.__getitem__, default=None)
        if best is not None and shared[best] > 0:
            scores[best] += score
        else:
            rest += score
    return scores, rest


@dataclass(frozen=True, kw_only=True)
class _Tokens:
    """A text's token ids, which of them are special, where they stand, and whether there were more."""

    ids: torch.Tensor
    special: torch.Tensor
    spans: list[tuple[int, int]]
    truncated: bool

    def sees(self, word: Word) -> bool:
        if not self.truncated:
            return True
        begin, end = span_of(self.spans)
        return word.begin < end and word.end > begin


def _tokens(tokenizer: PreTrainedTokenizerBase, text: str, max_length: int) -> _Tokens:
    encoded = tokenizer(
        [text], truncation=True, max_length=max_length, return_offsets_mapping=True, return_special_tokens_mask=True
    )
    special = torch.tensor(encoded["special_tokens_mask"][0], dtype=torch.bool)
    spans = [
        (0, 0) if is_special else (int(begin), int(end))
        for (begin, end), is_special in zip(encoded["offset_mapping"][0], special.tolist(), strict=True)
    ]
    return _Tokens(
        ids=torch.tensor(encoded["input_ids"][0]),
        special=special,
        spans=spans,
        truncated=bool(encoded.encodings[0].overflowing),
    )


def _attribution(
    model: PreTrainedModel,
    tokens: _Tokens,
    words: Sequence[Word],
    target: Target,
    references: dict[str, torch.Tensor],
    steps: int,
) -> Attribution:
    def log_odds(vectors: torch.Tensor) -> torch.Tensor:
        return tensor_log_odds(target, _logits(model, vectors))

    with torch.no_grad():
        vectors = model.get_input_embeddings()(tokens.ids.to(model.device))
        special = tokens.special[:, None].to(model.device)
        baselines = torch.stack([torch.where(special, vectors, reference) for reference in references.values()])
        whole, *without = log_odds(torch.cat([vectors[None], baselines])).cpu().double().tolist()
    token_scores = integrated_gradients(
        log_odds, vectors, baselines, steps=steps, rows_at_once=TOKENS_AT_ONCE // len(tokens.ids)
    )
    token_scores = token_scores.cpu().double()
    sums = token_scores.sum(dim=1).tolist()
    scores, rest = gather_words(token_scores.mean(dim=0).numpy(), tokens.spans, words)
    scores[[not tokens.sees(word) for word in words]] = np.nan
    return Attribution(
        scores=scores,
        rest=rest,
        log_odds=whole,
        baseline_log_odds=dict(zip(references, without, strict=True)),
        deltas={name: whole - value - found for name, value, found in zip(references, without, sums, strict=True)},
    )


def _logits(model: PreTrainedModel, vectors: torch.Tensor) -> torch.Tensor:
    mask = torch.ones(vectors.shape[:2], dtype=torch.long, device=vectors.device)
    logits: torch.Tensor = model(inputs_embeds=vectors, attention_mask=mask).logits
    return logits


def _reference_vectors(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, names: Sequence[str]
) -> dict[str, torch.Tensor]:
    """What stands in place of a token in each of the baselines: vectors of shape (hidden,)."""
    if not names:
        raise ConfigError(f"⟨baselines⟩: name at least one of {', '.join(_REFERENCES)}")
    if unknown := [name for name in names if name not in _REFERENCES]:
        raise ConfigError(f"⟨baselines⟩ {excerpt(unknown[0])}: is none of {', '.join(_REFERENCES)}")
    weight = model.get_input_embeddings().get_parameter("weight").detach()
    return {name: _REFERENCES[name](weight, tokenizer) for name in names}


def _mask_vector(weight: torch.Tensor, tokenizer: PreTrainedTokenizerBase) -> torch.Tensor:
    if tokenizer.mask_token_id is None:
        raise ConfigError("⟨baselines⟩ mask: the model's tokenizer has no mask token; name others, such as pad,zero")
    return weight[tokenizer.mask_token_id]


_REFERENCES: dict[str, Callable[[torch.Tensor, PreTrainedTokenizerBase], torch.Tensor]] = {
    "mask": _mask_vector,
    "pad": lambda weight, tokenizer: weight[tokenizer.pad_token_id],
    "zero": lambda weight, _: torch.zeros_like(weight[0]),
    "mean": lambda weight, _: weight.mean(dim=0),
}
BASELINES = tuple(_REFERENCES)


def _check_word_vectors(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise ModelError unless the model says of word vectors what it says of the ids that they belong to."""
    kind = model.config.model_type
    if "inputs_embeds" not in inspect.signature(model.forward).parameters:
        raise ModelError(f"a {kind} takes no word vectors, which integrated gradients need; use leave-one-out")
    ids = torch.tensor([tokenizer("one two three")["input_ids"]], device=model.device)
    with torch.no_grad():
        of_ids = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        of_vectors = _logits(model, model.get_input_embeddings()(ids))
    if not torch.allclose(of_ids, of_vectors, rtol=1e-4, atol=1e-5):
        raise ModelError(f"a {kind} answers otherwise to word vectors than to their ids; use leave-one-out")


@contextlib.contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode, with no gradients of its parameters; put back afterwards."""
    training, trained = model.training, [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        model.train(training)
