"""tokenizer.json: a tokenizer as a bundle runs it, by the tokenizers library alone."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from foreshot.data.texts import excerpt
from foreshot.errors import ModelError
from foreshot.runtime.tokenization import TextTokenizer


def tokenizer_json(name: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """What goes into tokenizer.json, without padding and truncation, which the runtime sets by itself.

    Raises ModelError, which calls the model `name`, for a tokenizer that no bundle can run.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            f"{name}: its tokenizer, a {type(tokenizer).__name__}, has no tokenizer.json; it can't run without "
            "Transformers, as a bundle does"
        )
    if tokenizer.truncation_side != "right":
        raise ModelError(
            f"{name}: its tokenizer cuts long texts at their start, which no bundle does; take truncation_side out of "
            "its tokenizer_config.json to have them cut at their end"
        )
    backend.no_padding()
    backend.no_truncation()
    content: str = backend.to_str(pretty=False)
    return content


def check_tokenization(name: str, alone: TextTokenizer, texts: Sequence[str], expected: Sequence[list[int]]) -> None:
    """Raise ModelError unless a tokenizer.json `alone` gives texts the token ids that the model is trained on."""
    found = alone.tokenize(texts).ids
    other = [text for text, ids, expected_ids in zip(texts, found, expected, strict=True) if ids != expected_ids]
    if other:
        raise ModelError(
            f"{name}: its tokenizer.json alone gives other tokens for {len(other):,} of {len(texts):,} texts, such as "
            f"{excerpt(other[0])!r}; it can't run without Transformers"
        )
