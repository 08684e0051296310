"""A tokenizer.json with fewer pieces: what only the pieces that go could write at once is written with smaller ones.

A text whose pieces all stay is written as before: WordPiece takes the longest piece that fits, and the longest of all
is the longest of those that stay; Unigram takes the likeliest way to write a word, and ways only go; BPE joins the
pair that was learnt first, and every pair on the way to a piece that stays is kept. Two exceptions are rare: WordPiece
may now be able to write a word that it ran aground on before, and Unigram may choose otherwise between equal ways.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from foreshot.errors import ModelError

BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""A piece that stands for one byte of a letter that the tokenizer doesn't know."""

Merge = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class TrimmedTokenizer:
    """The `content` of a tokenizer.json; `kept[i]` is the id that its token i had before, ascending."""

    content: str
    kept: list[int]


def trim_tokenizer(name: str, content: str, wanted: Collection[int]) -> TrimmedTokenizer:
    """A tokenizer.json's content with the pieces of these ids and what they need, numbered anew without gaps.

    Single characters stay, pieces that single characters can't write, bytes, added tokens, special and unknown ones;
    of BPE all that a piece is joined from; of Unigram the piece with the lowest score, which the price of an unknown
    letter is reckoned from. Raises ModelError, which calls the model `name`, for a tokenizer of another kind.
    """
    found = json.loads(content)
    model = found["model"]
    kind = model["type"]
    if kind not in ("WordPiece", "BPE", "Unigram"):
        raise ModelError(
            f"{name}: its tokenizer, a {kind}, can't do with fewer pieces, as words without one would be unknown; "
            "leave out ⟨trim_vocabulary⟩"
        )
    ids = {piece: at for at, (piece, _) in enumerate(model["vocab"])} if kind == "Unigram" else model["vocab"]
    places = list(_ids_in(found["post_processor"], name))
    kept = set(wanted) | {token["id"] for token in found["added_tokens"]} | {holder[key] for holder, key in places}
    kept |= {at for piece, at in ids.items() if _is_needed(piece, ids, model)}
    if kind == "Unigram":
        kept.add(min(range(len(model["vocab"])), key=lambda at: model["vocab"][at][1]))
    if kind == "BPE":
        merges = [_merge(written) for written in model["merges"]]
        product = _joined_by(model)
        staying = _with_parts({piece for piece, at in ids.items() if at in kept}, merges, product)
        kept |= {ids[piece] for piece in staying}
        model["merges"] = [list(merge) for merge in merges if product(merge) in staying]
    order = sorted(kept)
    new = {old: at for at, old in enumerate(order)}
    if kind == "Unigram":
        model["vocab"] = [entry for at, entry in enumerate(model["vocab"]) if at in kept]
        model["unk_id"] = None if model["unk_id"] is None else new[model["unk_id"]]
    else:
        model["vocab"] = {piece: new[at] for piece, at in ids.items() if at in kept}
    for token in found["added_tokens"]:
        token["id"] = new[token["id"]]
    for holder, key in places:
        holder[key] = new[holder[key]]
    trimmed = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    _check(name, Tokenizer.from_str(content), Tokenizer.from_str(trimmed), new)
    return TrimmedTokenizer(content=trimmed, kept=order)


def _is_needed(piece: str, ids: Mapping[str, int], model: Mapping[str, Any]) -> bool:
    """Whether a piece is unknown's or a byte's, or there are no smaller ones to write it with."""
    if piece == model.get("unk_token") or ids[piece] == model.get("unk_id"):
        return True
    if model.get("byte_fallback") and BYTE.fullmatch(piece):
        return True
    letters = _letters(piece, model)
    return letters == [piece] or not ids.keys() >= set(letters)


def _letters(piece: str, model: Mapping[str, Any]) -> list[str]:
    """The single characters that write a piece, each as the piece that it is there: "##ab" is ["##a", "##b"]."""
    prefix, suffix = model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""
    inside = piece.removeprefix(prefix)
    letters = list(inside.removesuffix(suffix)) or [inside]
    letters[-1] += suffix if inside.endswith(suffix) else ""
    first = piece[: len(piece) - len(inside)] + letters[0]
    return [first, *(prefix + letter for letter in letters[1:])]


def _merge(written: str | list[str]) -> Merge:
    """A pair that BPE joins; tokenizers before 0.20 write it with a space between."""
    first, second = written.split(" ") if isinstance(written, str) else written
    return first, second


def _joined_by(model: Mapping[str, Any]) -> Callable[[Merge], str]:
    """What BPE makes of a pair: the second loses the sign that it goes on a word."""
    prefix = model.get("continuing_subword_prefix") or ""
    return lambda merge: merge[0] + merge[1].removeprefix(prefix)


def _with_parts(pieces: Iterable[str], merges: Iterable[Merge], product: Callable[[Merge], str]) -> set[str]:
    """These pieces of BPE, and all that any of them may be joined from."""
    pairs_of = defaultdict[str, list[Merge]](list)
    for merge in merges:
        pairs_of[product(merge)].append(merge)
    found = set(pieces)
    waiting = list(found)
    while waiting:
        parts = {part for merge in pairs_of.get(waiting.pop(), ()) for part in merge} - found
        found |= parts
        waiting += parts
    return found


def _ids_in(processor: dict[str, Any] | None, name: str) -> Iterator[tuple[Any, Any]]:
    """Where ids stand in what puts special tokens around a text, each as what holds it and its key there."""
    if processor is None or processor["type"] == "ByteLevel":
        return
    if processor["type"] == "Sequence":
        for part in processor["processors"]:
            yield from _ids_in(part, name)
    elif processor["type"] == "TemplateProcessing":
        for token in processor["special_tokens"].values():
            yield from ((token["ids"], at) for at in range(len(token["ids"])))
    elif processor["type"] in ("BertProcessing", "RobertaProcessing"):
        yield from ((processor[which], 1) for which in ("sep", "cls"))
    else:
        raise ModelError(
            f"{name}: its tokenizer's post-processor, a {processor['type']}, can't be numbered anew; leave out "
            "⟨trim_vocabulary⟩"
        )


def _check(name: str, whole: Tokenizer, trimmed: Tokenizer, new: Mapping[int, int]) -> None:
    """Raise ModelError unless the tokenizers library numbers every token that stayed as it was meant."""
    expected = {token: new[at] for token, at in whole.get_vocab().items() if at in new}
    if trimmed.get_vocab() != expected:
        raise ModelError(
            f"{name}: its tokenizer's ids have gaps and can't be numbered anew; leave out ⟨trim_vocabulary⟩"
        )
