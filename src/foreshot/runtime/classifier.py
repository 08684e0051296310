"""The classifier that a bundle holds: texts to labels, scores and decisions, by tokenizers and ONNX Runtime alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np

from foreshot.data.texts import normalise, valid_unicode
from foreshot.errors import BundleError, ConfigError, NotATextError
from foreshot.results.decisions import LabelDecisions
from foreshot.runtime.bundle import Bundle, Manifest, read_bundle
from foreshot.runtime.decisions import decide, flagged_labels, route, scores_of, view_of
from foreshot.runtime.graph import Graph
from foreshot.runtime.tokenization import LONGEST_TEXT, TextTokenizer, Tokens

MOST_THREADS = 1024


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a classifier says about one text.

    `label` is the class decided on; `scores` has every class's probability; `decision` is "allow", "review" or
    "block", None where no class counts as toxic; `truncated` tells that the text's end was not looked at.

    Of a multi-label model `labels` are all labels that the text is decided to have, perhaps none, and `scores` are
    each label's own, which don't add up to 1. `decision` and `label` are the judged label's: "toxic" or "not toxic".
    Of any other model `labels` is `label` alone. `logits` are the graph's own, in the order of `scores`.
    """

    label: str
    labels: tuple[str, ...]
    scores: dict[str, float]
    decision: str | None
    truncated: bool
    logits: tuple[float, ...]


class Classifier:
    """A bundle, ready to score.

    `file` chooses the graph (the bundle's first by default), `threads` how many a batch is computed on (all cores by
    default), `max_length` cuts texts shorter than the bundle does. Raises BundleError for a bundle that can't be
    used, ConfigError for a `max_length` that is more than the bundle's or leaves no room for the text, for `threads`
    or a `batch_size` below 1, and for `threads` above MOST_THREADS.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        file: str | None = None,
        threads: int | None = None,
        batch_size: int | None = None,
        max_length: int | None = None,
    ) -> None:
        self.manifest: Manifest = bundle.manifest
        self.file = file or self.manifest.graphs[0].file
        self.max_length = self.manifest.max_length if max_length is None else max_length
        for option, value in (("⟨threads⟩", threads), ("⟨batch_size⟩", batch_size), ("⟨max_length⟩", max_length)):
            if value is not None and value < 1:
                raise ConfigError(f"{option} {value}: must be at least 1")
        if threads is not None and threads > MOST_THREADS:
            raise ConfigError(f"⟨threads⟩ {threads}: must be 1 to {MOST_THREADS}")
        if self.max_length > self.manifest.max_length:
            raise ConfigError(f"⟨max_length⟩ {max_length}: must be 1 to {self.manifest.max_length}, the bundle's most")
        self._batch_size = batch_size
        self._where = str(bundle.folder / self.file)
        self.tokenizer = TextTokenizer(bundle.tokenizer, max_length=self.max_length, where=str(bundle.folder))
        self._graph = Graph(
            bundle.read_graph(self.file),
            classes=len(self.manifest.labels),
            pad_token_id=self.manifest.pad_token_id,
            where=self._where,
            threads=threads,
        )

    def __call__(self, texts: str | Sequence[str]) -> list[Prediction]:
        """A prediction for each text, in their order; one text gives a list of one.

        Raises NotATextError, a TypeError, for anything that is no string.
        """
        tokens = self.tokenize(texts)
        return self.predictions(self.logits(tokens), tokens.truncated)

    def close(self) -> None:
        """Let the memory of the model go, whoever still refers to the classifier; it can't be asked any more."""
        del self._graph, self.tokenizer

    def tokenize(self, texts: str | Sequence[str], *, normalised: bool = False) -> Tokens:
        """Token ids of texts as the model was trained on them: normalised, and cut to `max_length` tokens.

        `normalised` says that they are it already, as those of a run's split and of a suite are.
        """
        whole = text_list(texts)
        if normalised:
            return self.tokenizer.tokenize(whole)
        tokens = self.tokenizer.tokenize([normalise(valid_unicode(text[:LONGEST_TEXT])) for text in whole])
        longer = np.array([len(text) > LONGEST_TEXT for text in whole], dtype=bool)
        return replace(tokens, truncated=tokens.truncated | longer)

    def looked_at(self, text: str) -> tuple[int, int] | None:
        """Begin and end of what is looked at of a normalised text that is cut; None of one that is looked at whole."""
        return self.tokenizer.looked_at(text)

    def logits(self, tokens: Tokens, *, batch_size: int | None = None) -> np.ndarray:
        """Logits (texts, classes), float32; `batch_size` for another than the classifier's own.

        Raises BundleError where the graph fails on a text, or gives what is no number.
        """
        logits = self._graph.logits(tokens.ids, batch_size=batch_size or self._batch_size)
        if not np.isfinite(logits).all():
            raise BundleError(f"{self._where}: gives a text a score that is no number; export it again")
        return logits

    def predictions(self, logits: np.ndarray, truncated: np.ndarray) -> list[Prediction]:
        """What logits (texts, classes or labels) mean by the bundle's temperatures, thresholds and policies."""
        manifest = self.manifest
        decision, view, positive = view_of(manifest.deciding, logits, manifest.positive_index)
        decided = [manifest.classes[number] for number in decide(decision, view, positive).tolist()]
        routes = [None] * len(logits) if positive is None else route(decision, view, positive).tolist()
        labels: list[tuple[str, ...]] = [(label,) for label in decided]
        if manifest.decisions is not None:
            labels = _flagged(logits, manifest.decisions)
        scores = scores_of(manifest.deciding, logits).tolist()
        return [
            Prediction(
                label=label,
                labels=of_text,
                scores=dict(zip(manifest.labels, probabilities, strict=True)),
                decision=routed,
                truncated=cut,
                logits=tuple(of_graph),
            )
            for label, of_text, probabilities, routed, cut, of_graph in zip(
                decided, labels, scores, routes, truncated.tolist(), logits.tolist(), strict=True
            )
        ]


def load(
    folder: str | Path,
    *,
    file: str | None = None,
    threads: int | None = None,
    batch_size: int | None = None,
    max_length: int | None = None,
) -> Classifier:
    """The classifier in a bundle's folder; see `Classifier` for the settings and for what is raised."""
    return Classifier(read_bundle(folder), file=file, threads=threads, batch_size=batch_size, max_length=max_length)


def answers(
    score: Callable[[Sequence[str]], list[Prediction]], texts: Sequence[str], failure: type[Exception]
) -> list[Prediction | Exception]:
    """A prediction for each text, or the `failure` that scoring it raises: of texts scored together it fails alone."""
    try:
        return [*score(texts)]
    except failure as error:
        if len(texts) < 2:
            return [error]
    half = len(texts) // 2
    return [*answers(score, texts[:half], failure), *answers(score, texts[half:], failure)]


def text_list(texts: object) -> list[str]:
    """One text or several as a list; raises NotATextError, a TypeError, for anything that is no string."""
    if isinstance(texts, str):
        return [texts]
    if isinstance(texts, bytes | bytearray | Mapping) or not hasattr(texts, "__iter__"):
        raise NotATextError(f"a value of type {type(texts).__name__} was given to be scored; give a string or several")
    listed = list(texts)
    for number, text in enumerate(listed):
        if not isinstance(text, str):
            raise NotATextError(f"texts[{number}] is of type {type(text).__name__}; give strings")
    return listed


def _flagged(logits: np.ndarray, decisions: LabelDecisions) -> list[tuple[str, ...]]:
    """The labels that each text of logits (texts, labels) has."""
    return [tuple(compress(decisions.by_label, flags)) for flags in flagged_labels(logits, decisions)]
