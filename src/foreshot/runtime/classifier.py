"""The classifier that a bundle holds: texts to labels, scores and decisions, by tokenizers and ONNX Runtime alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from foreshot.data.texts import normalise, valid_unicode
from foreshot.errors import BundleError, ConfigError, NotATextError
from foreshot.runtime.bundle import Bundle, Manifest, read_bundle
from foreshot.runtime.decisions import decide, route, scaled_probabilities

BATCH_SIZE = 16
"""Rows in a batch: on a CPU more of them are no faster, and longer ones pad more."""
LETTERS_PER_TOKEN = 32
"""Of a long text only so many letters for each token are tokenised, if these give more tokens than are kept."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a classifier says about one text.

    `label` is the class decided on; `scores` has every class's probability; `decision` is "allow", "review" or
    "block", None where no class counts as toxic; `truncated` tells that the text's end was not looked at.
    """

    label: str
    scores: dict[str, float]
    decision: str | None
    truncated: bool


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Tokenised texts: `ids[i]` those of text i, cut to the most that are looked at; `truncated` (texts,)."""

    ids: list[list[int]]
    truncated: np.ndarray


class Classifier:
    """A bundle, ready to score.

    `file` chooses the graph (the bundle's first by default), `threads` how many a batch is computed on (all cores by
    default), `max_length` cuts texts shorter than the bundle does. Raises BundleError for a bundle that can't be
    used, ConfigError for a `max_length` above the bundle's.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        file: str | None = None,
        threads: int | None = None,
        batch_size: int = BATCH_SIZE,
        max_length: int | None = None,
    ) -> None:
        self.manifest: Manifest = bundle.manifest
        self.file = file or self.manifest.graphs[0].file
        self.max_length = max_length or self.manifest.max_length
        if self.max_length > self.manifest.max_length:
            raise ConfigError(f"--max-length {max_length}: the bundle takes at most {self.manifest.max_length} tokens")
        self._batch_size = batch_size
        self._tokenizer = _tokenizer(bundle, self.max_length)
        self._session = _session(bundle, self.file, threads)

    def __call__(self, texts: str | Sequence[str]) -> list[Prediction]:
        """A prediction for each text, in their order; one text gives a list of one.

        Raises NotATextError, a TypeError, for anything that is no string.
        """
        tokens = self.tokenize(texts)
        return self.predictions(self.logits(tokens), tokens.truncated)

    def tokenize(self, texts: str | Sequence[str]) -> Tokens:
        """Token ids of the texts as the model was trained on them: normalised, and cut to `max_length` tokens."""
        whole = [normalise(text if text.isascii() else valid_unicode(text)) for text in _texts(texts)]
        encoded = self._tokenizer.encode_batch_fast([self._start(text) for text in whole])
        for row, encoding in enumerate(encoded):
            if len(self._start(whole[row])) < len(whole[row]) and not encoding.overflowing:
                encoded[row] = self._tokenizer.encode(whole[row])
        return Tokens(
            ids=[encoding.ids for encoding in encoded],
            truncated=np.array([bool(encoding.overflowing) for encoding in encoded], dtype=bool),
        )

    def logits(self, tokens: Tokens) -> np.ndarray:
        """Logits (texts, classes), float32. Texts of like length are computed together, so that little is padding."""
        logits = np.empty((len(tokens.ids), len(self.manifest.labels)), dtype=np.float32)
        for rows, inputs in self._batches(tokens.ids):
            logits[rows] = self._session.run(["logits"], inputs)[0]
        return logits

    def predictions(self, logits: np.ndarray, truncated: np.ndarray) -> list[Prediction]:
        """What logits (texts, classes) mean by the bundle's temperature, thresholds and policy."""
        manifest, positive = self.manifest, self.manifest.positive_index
        probabilities = scaled_probabilities(logits, manifest.decision.temperature)
        labels = decide(manifest.decision, logits, positive)
        routes = [None] * len(logits) if positive is None else route(manifest.decision, logits, positive).tolist()
        return [
            Prediction(
                label=manifest.labels[label],
                scores=dict(zip(manifest.labels, scores, strict=True)),
                decision=decision,
                truncated=cut,
            )
            for label, scores, decision, cut in zip(
                labels.tolist(), probabilities.tolist(), routes, truncated.tolist(), strict=True
            )
        ]

    def _start(self, text: str) -> str:
        """As much of a very long text as surely has more tokens than are kept; all of any other text.

        No tokenizer looks across white space, so that a cut there changes no token before it.
        """
        most = self.max_length * LETTERS_PER_TOKEN
        if len(text) <= 2 * most:
            return text
        start = text[:most].rpartition(" ")[0]
        return start if len(start) > most // 2 else text

    def _batches(self, ids: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], dict[str, np.ndarray]]]:
        longest_first = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        for start in range(0, len(ids), self._batch_size):
            rows = longest_first[start : start + self._batch_size]
            shape = len(rows), max(1, len(ids[rows[0]]))
            input_ids = np.full(shape, self.manifest.pad_token_id, dtype=np.int64)
            attention_mask = np.zeros(shape, dtype=np.int64)
            for place, row in enumerate(rows):
                input_ids[place, : len(ids[row])] = ids[row]
                attention_mask[place, : len(ids[row])] = 1
            yield rows, {"input_ids": input_ids, "attention_mask": attention_mask}


def load(
    folder: str | Path,
    *,
    file: str | None = None,
    threads: int | None = None,
    batch_size: int = BATCH_SIZE,
    max_length: int | None = None,
) -> Classifier:
    """The classifier in a bundle's folder; see `Classifier` for the settings and for what is raised."""
    return Classifier(read_bundle(folder), file=file, threads=threads, batch_size=batch_size, max_length=max_length)


def _texts(texts: object) -> list[str]:
    if isinstance(texts, str):
        return [texts]
    if isinstance(texts, bytes | bytearray) or not hasattr(texts, "__iter__"):
        raise NotATextError(f"a value of type {type(texts).__name__} was given to be scored; give a string or several")
    listed = list(texts)
    for number, text in enumerate(listed):
        if not isinstance(text, str):
            raise NotATextError(f"texts[{number}] is of type {type(text).__name__}; give strings")
    return listed


def _tokenizer(bundle: Bundle, max_length: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(bundle.tokenizer)
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length=max_length)
    except Exception as error:  # the library raises bare Exceptions
        raise BundleError(f"{bundle.folder}: its tokenizer.json can't be used ({_one_line(error)})") from None
    return tokenizer


def _session(bundle: Bundle, file: str, threads: int | None) -> onnxruntime.InferenceSession:
    """The graph, from the bytes whose sum was checked. It may name no file: there is no folder to find one in."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    if threads is not None:
        options.intra_op_num_threads = threads
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", "/nonexistent")
    content = bundle.read_graph(file)
    where = bundle.folder / file
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common base but Exception
        if "xternal data" in str(error):
            raise BundleError(f"{where}: wants weights from another file; a bundle's graph holds its own") from None
        raise BundleError(f"{where}: can't be run ({_one_line(error)})") from None
    expected = {"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"}
    inputs = {given.name: given.type for given in session.get_inputs()}
    outputs = {given.name: given.shape for given in session.get_outputs()}
    if inputs != expected or outputs.get("logits", [0])[-1] != len(bundle.manifest.labels):
        raise BundleError(f"{where}: its inputs or outputs are not those of a bundle; export it again")
    return session


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]
