"""Examination: what a model that was found does with the shortest text, the longest one, and texts of unequal lengths.

A few forward passes, before anything is trained or written, instead of a traceback or a wrong score hours later.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from foreshot.data.texts import first_line, listing
from foreshot.errors import ModelError
from foreshot.models.batches import EncodedRows, encode
from foreshot.models.encoders import ModelSource
from foreshot.models.outputs import Outputs, model_outputs

ROUNDING = 1e-4
"""How far outputs may differ that ought to be the same, as a share of the largest: a hundred times what they do."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What was found of a model that can be asked.

    `depends_on_batch`: a text's scores are others beside a longer text, since the model looks at padding.
    `first_token_blind`: the first token's state doesn't depend on the tokens after it, as in a decoder.
    """

    depends_on_batch: bool
    first_token_blind: bool


def examine(
    source: ModelSource,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    *,
    in_batches: bool = True,
) -> Examination:
    """Ask a model, on the CPU, about texts of up to `max_length` tokens; its config learns what pads a text.

    Raises ModelError, which says what would help, where its tokenizer isn't the one that it was made with, where it
    fails on such texts or gives no numbers, and for one that depends on the batch, if it is to be asked `in_batches`.
    """
    tell_padding(model, tokenizer)
    _check_vocabulary(source.name, model, tokenizer)
    _check_token_types(source.name, model, tokenizer)
    rows = _rows(source.name, tokenizer, max_length)
    alone = [_asked(source.name, model, [ids], tokenizer) for ids in rows]
    together = _asked(source.name, model, rows, tokenizer)
    states = [_states(outputs) for outputs in alone]
    steady = _same(np.concatenate([outputs.logits for outputs in alone]), together.logits)
    steady &= _same(np.concatenate(states), _states(together))
    if in_batches and not steady:
        raise ModelError(
            f"{source.name}: {model.config.model_type} looks at the padding of a batch, so what it says of a text "
            "depends on the texts beside it; give another model, such as a BERT, RoBERTa or MPNet"
        )
    return Examination(
        depends_on_batch=not steady,
        first_token_blind=len(rows[1]) < len(rows[2]) and _same(states[1], states[2]),
    )


def tell_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Have a model's config say which token pads a text, where it doesn't: decoders look for the last one before it."""
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id


def _rows(name: str, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[list[int]]:
    """Token ids of the shortest text, of one of a token more and of one of `max_length` tokens, which begin alike.

    Their tokens come from all over the vocabulary: any text might be all unknown to it. Raises ModelError where it has
    special tokens alone.
    """
    (special,) = encode([""], tokenizer, max_length).ids
    ordinary = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
    if not ordinary:
        raise ModelError(
            f"{name}: its tokenizer knows no word but {listing(tokenizer.all_special_tokens)}; save it again"
        )
    counts = (1 - len(special), 1, max_length - len(special))
    middles = ([ordinary[place] for place in np.linspace(0, len(ordinary) - 1, max(0, n)).astype(int)] for n in counts)
    return [[*special[:1], *middle, *special[1:]] for middle in middles]


def _check_vocabulary(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Every token needs a row of the embedding; tokens that were added to the tokenizer alone have none."""
    try:
        rows = len(model.get_input_embeddings().state_dict()["weight"])
    except NotImplementedError:  # CANINE's letters are hashed
        return
    without = sorted(token for token, number in tokenizer.get_vocab().items() if number >= rows)
    if without:
        raise ModelError(
            f"{name}: its tokenizer has tokens that its embedding of {rows:,} rows has none for "
            f"({listing(without, most=3)}); add rows with resize_token_embeddings, train them and save the model "
            "again, or take these tokens out of the tokenizer"
        )


def _check_token_types(name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """No model is given token types here, nor by a bundle, so those of one text have to be 0."""
    if "token_type_ids" not in inspect.signature(model.forward).parameters:
        return
    types = tokenizer("a", return_token_type_ids=True).get("token_type_ids") or ()
    if "token_type_ids" in tokenizer.model_input_names and any(types):
        raise ModelError(
            f"{name}: its tokenizer gives the tokens of a text other types than 0, which it is never told here, so it "
            "would not say what it was trained to; give another model, such as a BERT, RoBERTa or MPNet"
        )


def _asked(
    name: str, model: PreTrainedModel, rows: Sequence[Sequence[int]], tokenizer: PreTrainedTokenizerBase
) -> Outputs:
    """A model's outputs on rows of token ids, computed as one batch."""
    encoded = EncodedRows(ids=[list(ids) for ids in rows], tokenizer=tokenizer)
    lengths = " and ".join(f"{len(ids):,}" for ids in rows)
    asked = f"texts of {lengths} tokens at once" if len(rows) > 1 else f"a text of {lengths} tokens"
    try:
        outputs = model_outputs(model, encoded, batch_size=len(rows))
    except ModelError:
        raise
    except Exception as error:  # each architecture fails in its own way
        raise ModelError(
            f"{name}: fails on {asked} ({first_line(error)}); give another model, such as a BERT, RoBERTa or MPNet"
        ) from None
    if not (np.isfinite(outputs.logits).all() and np.isfinite(_states(outputs)).all()):
        raise ModelError(f"{name}: its outputs on {asked} are no numbers; give another model")
    return outputs


def _states(outputs: Outputs) -> np.ndarray:
    """The first tokens' states, which a model that is run always has, in memory."""
    assert isinstance(outputs.representations, np.ndarray)
    return outputs.representations


def _same(some: np.ndarray, others: np.ndarray) -> bool:
    """Whether two arrays are the same but for rounding."""
    return bool(np.abs(some - others).max() <= ROUNDING * np.abs(some).max())
