"""Tokenizers of each kind that has pieces smaller than words, for the same made-up language."""

import random
import string
from collections.abc import Iterable

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

_RNG = random.Random(0)
SYLLABLES = ["ba", "ke", "ri", "to", "mu", "shing", "ver", "ly"]
WORDS = ["".join(_RNG.choices(SYLLABLES, k=_RNG.choice([1, 2, 3]))) for _ in range(300)]
TEXTS = [" ".join(_RNG.choices(WORDS, k=8)) for _ in range(200)]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
AROUND = {"single": "<s> $A </s>", "special_tokens": [("<s>", 0), ("</s>", 2)]}


def word_piece(pieces: Iterable[str]) -> Tokenizer:
    """These pieces, numbered in this order, of which "[UNK]" stands for what none of them writes."""
    made = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def word_pieces() -> Tokenizer:
    """Letters, syllables and half of the words, of which some are numbered before the special tokens."""
    letters = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    inside = [f"##{syllable}" for syllable in SYLLABLES]
    words = sorted({*WORDS[:150], *SYLLABLES})
    made = word_piece([*words[:20], "[UNK]", "<s>", "<pad>", "</s>", *letters, *inside, *words[20:]])
    made.add_special_tokens(SPECIAL)
    numbers = made.get_vocab()
    made.post_processor = processors.BertProcessing(("</s>", numbers["</s>"]), ("<s>", numbers["<s>"]))
    return made


def byte_pairs() -> Tokenizer:
    """Pairs of bytes, as RoBERTa has them, and a token that was added last."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    around = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    made.post_processor = processors.Sequence([around, processors.ByteLevel()])
    made.add_special_tokens(["<mask>"])
    return made


def pairs_with_word_ends() -> Tokenizer:
    """Pairs of letters, as GPT's first model has them: the last of a word is another than the same within it."""
    made = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=150, special_tokens=SPECIAL, end_of_word_suffix="</w>", show_progress=False),
    )
    made.post_processor = processors.TemplateProcessing(**AROUND)
    return made


def likeliest_pieces() -> Tokenizer:
    """Unigram, as XLM-R has it: letters, syllables and half of the words, no two of the same score."""
    rng = random.Random(0)
    pieces = [*string.ascii_lowercase, "▁", *SYLLABLES, *(f"▁{word}" for word in sorted(set(WORDS[:150])))]
    scores = [(piece, -9 / len(piece) - rng.random()) for piece in pieces]
    made = Tokenizer(models.Unigram([*((token, 0.0) for token in SPECIAL), *scores], unk_id=3, byte_fallback=False))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(**AROUND)
    return made
