"""Trimmed tokenizers: vocabularies worked out by hand, and each kind that is trained against the untrimmed one."""

import json
from collections.abc import Callable, Iterable

import pytest
from tiny_tokenizers import SPECIAL, TEXTS, byte_pairs, likeliest_pieces, pairs_with_word_ends, word_piece, word_pieces
from tokenizers import Tokenizer, models

from foreshot.errors import ModelError
from foreshot.models.trimmed_tokenizer import trim_tokenizer


def pieces_of(content: str) -> list[str]:
    vocabulary = Tokenizer.from_str(content).get_vocab()
    return sorted(vocabulary, key=vocabulary.__getitem__)


def trimmed_to(tokenizer: Tokenizer, pieces: Iterable[str]) -> tuple[Tokenizer, list[str]]:
    found = trim_tokenizer("model", tokenizer.to_str(), [tokenizer.token_to_id(piece) for piece in pieces])
    assert [tokenizer.id_to_token(at) for at in found.kept] == pieces_of(found.content)
    return Tokenizer.from_str(found.content), pieces_of(found.content)


def test_rare_words_are_split_instead_of_unknown() -> None:
    letters = [*"fols", *(f"##{letter}" for letter in "fols")]
    whole = word_piece(["[unused0]", "[UNK]", *letters, "fool", "##ools", "##ol", "loss"])
    trimmed, pieces = trimmed_to(whole, ["fool"])
    assert pieces == ["[unused0]", "[UNK]", *letters, "fool"]  # its brackets are no pieces, so it can't be written
    assert trimmed.encode("fool fools loss").tokens == ["fool", "fool", "##s", "l", "##o", "##s", "##s"]
    assert trimmed.encode("fox").tokens == whole.encode("fox").tokens == ["[UNK]"]


def test_a_piece_with_a_letter_that_has_none_of_its_own_stays() -> None:
    whole = word_piece(["[UNK]", "a", "b", "##b", "ab", "##aé", "bb"])
    assert trimmed_to(whole, [])[1] == ["[UNK]", "a", "b", "##b", "##aé"]


def test_bpe_keeps_all_that_a_piece_is_joined_from() -> None:
    """ "abcd" is ab + cd, or a + bcd; neither "bc" nor "da" leads to it."""
    pieces = [*"abcd", "ab", "bc", "cd", "da", "bcd", "abcd"]
    merges = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"), ("b", "cd"), ("ab", "cd"), ("a", "bcd")]
    whole = Tokenizer(models.BPE({piece: at for at, piece in enumerate(pieces)}, merges))
    trimmed, found = trimmed_to(whole, ["abcd"])
    assert found == [*"abcd", "ab", "cd", "bcd", "abcd"]
    assert json.loads(trimmed.to_str())["model"]["merges"] == [
        list(merge) for merge in merges if merge not in [("b", "c"), ("d", "a")]
    ]
    assert (trimmed.encode("abcd").tokens, trimmed.encode("da").tokens) == (["abcd"], ["d", "a"])


def test_unigram_keeps_the_price_of_an_unknown_letter() -> None:
    """It is reckoned from the lowest score, which is that of a piece that goes otherwise."""
    scores = [("<unk>", 0.0), ("a", -2.0), ("b", -2.0), ("ab", -1.0), ("aba", -9.0), ("bab", -3.0)]
    whole = Tokenizer(models.Unigram(scores, unk_id=0, byte_fallback=False))
    _, found = trimmed_to(whole, ["ab"])
    assert found == ["<unk>", "a", "b", "ab", "aba"]


@pytest.mark.parametrize("make", [word_pieces, byte_pairs, pairs_with_word_ends, likeliest_pieces])
def test_texts_whose_pieces_stay_are_written_as_before_and_all_others_with_smaller_ones(
    make: Callable[[], Tokenizer],
) -> None:
    whole = make()
    before = [whole.encode(text).ids for text in TEXTS]
    found = trim_tokenizer("model", whole.to_str(), {token for ids in before[:12] for token in ids})
    trimmed = Tokenizer.from_str(found.content)
    after = [[found.kept[token] for token in trimmed.encode(text).ids] for text in TEXTS]
    stays = [set(ids) <= set(found.kept) for ids in before]
    assert 12 < sum(stays) < len(TEXTS)
    assert [ids for ids, same in zip(after, stays, strict=True) if same] == [
        ids for ids, same in zip(before, stays, strict=True) if same
    ]
    others = [(old, new) for old, new, same in zip(before, after, stays, strict=True) if not same]
    assert all(len(new) > len(old) for old, new in others)
    unknown = whole.token_to_id("[UNK]") or whole.token_to_id("<unk>")
    assert not any(unknown in new for _, new in others)
    assert [found.kept[trimmed.token_to_id(token)] for token in SPECIAL] == [*map(whole.token_to_id, SPECIAL)]
    assert len(found.kept) < whole.get_vocab_size()


def test_words_without_pieces_can_not_be_trimmed() -> None:
    whole = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    with pytest.raises(
        ModelError, match=r"^model: its tokenizer, a WordLevel, can't do with fewer pieces, as words .* leave out trim_"
    ):
        trim_tokenizer("model", whole.to_str(), [0])


def test_ids_with_gaps_that_the_library_numbers_otherwise_are_refused() -> None:
    """An added token's id is what follows on the count of pieces, whatever stands in the file."""
    whole = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "b": 5}, unk_token="[UNK]"))
    whole.add_special_tokens(["<who>"])
    with pytest.raises(ModelError, match="its tokenizer's ids have gaps and can't be numbered anew"):
        trim_tokenizer("model", whole.to_str(), [1])
