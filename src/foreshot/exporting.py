"""Export: from a trained classifier to a bundle, whose graphs are proved to decide as the classifier does.

Each graph is written, asked about the same texts as the model, and shipped only if it passes (`judging.parity`). Eight
bits are tried from the smallest setting to the safest one; where none passes, the bundle has 32 bits alone and says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from foreshot.checking import model_classes
from foreshot.data.batches import EncodedRows, collate, encode
from foreshot.data.labels import Classes
from foreshot.data.table import read_texts
from foreshot.data.texts import NORMALISATION, excerpt
from foreshot.errors import BundleError, ConfigError, ModelError
from foreshot.facts import Decision
from foreshot.judging.builtin_suite import NAME as BUILTIN
from foreshot.judging.parity import flipped, fp32_complaint, int8_complaint, parity
from foreshot.judging.shares import suite_shares
from foreshot.judging.suites import Suite, read_suite
from foreshot.models.encoders import ModelSource, find_model, load_classifier, load_tokenizer, longest_input
from foreshot.models.export import opset, to_onnx
from foreshot.models.int8 import linear_layers, noise, quantised
from foreshot.models.outputs import model_outputs
from foreshot.models.students import parameters
from foreshot.progress import Progress, Silent
from foreshot.provenance import RunModel, find_in_run, to_ship
from foreshot.reporting.card import card
from foreshot.rundir import EXPERIMENT_FILE, replacing_folder, write_atomically
from foreshot.runtime.bundle import (
    CARD_FILE,
    FORMAT_VERSION,
    FP32_GRAPH,
    INT8_GRAPH,
    MANIFEST_FILE,
    SUMS_FILE,
    TOKENIZER_FILE,
    Attempt,
    GraphFacts,
    Manifest,
    Origin,
    SelfTest,
    refuse_as_target,
    sums_of,
)
from foreshot.runtime.decisions import decide, load_decision, scaled_probabilities
from foreshot.runtime.graph import BATCH_SIZE, Graph
from foreshot.runtime.tokenization import TextTokenizer

BITS = {"32": FP32_GRAPH, "8": INT8_GRAPH}
LONGEST = 512  # tokens, where no run says how long the texts were that a model was trained on
SHORTEST = 8  # tokens
MOST_ROWS = 2000  # of the validation part, or of the file that is given
ALONE, CROWDED = 64, 61  # rows that are asked one by one; the size of batches with much padding
NOISE_ROWS = 64
KEPT_SHARES = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Shares of the linear layers, the noisiest ones, that stay in 32 bits: what is tried in turn."""
MOST_SHOWN = 5  # flipped texts, of each setting that is refused
SELF_TEST_TEXTS = (
    "",
    "you absolute walnut",
    "Thank you, that was a lovely evening.",
    "Nobody asked for your opinion, so keep it to yourself, you t0t4l f00l 🤡",
    "Ça va? Ты где? おはよう ๑",
    "one sentence after another, and no end in sight, " * 40,
)
VERSIONS = ("foreshot", "onnx", "onnxruntime", "onnxscript", "tokenizers", "torch", "transformers")


def export(
    model: str | Path,
    out: str | Path,
    *,
    bits: Sequence[str] = tuple(BITS),
    max_length: int | None = None,
    rows: str | None = None,
    text: str | None = None,
    suite: str | None = None,
    suite_labels: Mapping[str, str] | None = None,
    positive: str | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Write the bundle `out` from a classifier: a run's folder (what its verdict ships), a model's folder, or a hub id.

    `bits` says which graphs are wanted. Parity is proved on the run's validation rows, or on the column `text` of the
    file `rows`, and on `suite` (a file, or the run's, or the built-in one where it fits). Raises ForeshotError for what
    can't be used and for a graph in 32 bits that isn't the model; `out` is then as it was.
    """
    progress, out = progress or Silent(), Path(out)
    if not bits or not set(bits) <= BITS.keys():
        raise ConfigError(f"--bits {','.join(bits)}: must be 32, 8, or both by comma")
    if max_length is not None and max_length < SHORTEST:
        raise ConfigError(f"--max-length {max_length}: must be at least {SHORTEST}")
    refuse_as_target(out)
    subject = _subject(str(model), max_length, positive, progress)
    cases = _suite(suite, suite_labels, subject)
    source, others = _other_texts(subject, rows, text)
    texts = [*others, *(case.text for case in cases.cases)] if cases else others
    if not texts:
        raise ConfigError(f"{subject.source.name}: nothing to prove it on; name texts with --rows FILE")
    subject.check_tokenization(texts)
    progress.begin(f"asking {subject.source.name} about {len(texts):,} texts", len(texts))
    try:
        reference = subject.reference(texts, progress)
    finally:
        progress.end()
    proof = _Proof(subject=subject, suite=cases, source=source, texts=texts, reference=reference)
    made = [_fp32(proof, progress)] if "32" in bits else []
    smaller, refused = _int8(proof, progress) if "8" in bits else (None, ())
    graphs = [smaller, *made] if smaller else made
    if not graphs:
        raise BundleError(f"{out}: no setting of 8 bits decides as the model does; export it with --bits 32,8")
    manifest = _manifest(proof, graphs, refused)
    with replacing_folder(out.resolve()) as workplace:  # a link stays one, to the new bundle
        (workplace / TOKENIZER_FILE).write_text(subject.tokenizer_content, encoding="utf-8")
        for graph in graphs:
            (workplace / graph.facts.file).write_bytes(graph.content)
        write_atomically(workplace / MANIFEST_FILE, manifest.model_dump_json(indent=1) + "\n")
        write_atomically(workplace / CARD_FILE, card(manifest))
        write_atomically(workplace / SUMS_FILE, sums_of(workplace))
    return manifest


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """The classifier that is exported, and all that decides about it."""

    source: ModelSource
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    tokenizer_content: str
    max_length: int
    classes: Classes
    decision: Decision
    run: RunModel | None

    @cached_property
    def runtime_tokenizer(self) -> TextTokenizer:
        return TextTokenizer(self.tokenizer_content, max_length=self.max_length, where=self.source.name)

    def check_tokenization(self, texts: Sequence[str]) -> None:
        """Raise ModelError unless the tokenizers library alone gives the tokens that the model was trained on."""
        expected = encode(texts, self.tokenizer, self.max_length).ids
        found = self.runtime_tokenizer.tokenize(texts).ids
        other = [text for text, ids, expected_ids in zip(texts, found, expected, strict=True) if ids != expected_ids]
        if other:
            raise ModelError(
                f"{self.source.name}: its tokenizer.json alone gives other tokens for {len(other):,} of {len(texts):,} "
                f"texts, such as {excerpt(other[0])!r}; it can't run without Transformers"
            )

    def reference(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """The model's own logits (texts, classes)."""
        return model_outputs(self.model, encode(texts, self.tokenizer, self.max_length), progress=progress).logits

    def graph(self, content: bytes, file: str) -> Graph:
        return Graph(content, classes=len(self.classes.names), pad_token_id=self.tokenizer.pad_token_id, where=file)


@dataclass(frozen=True, kw_only=True)
class _Proof:
    """Texts, the suite's last, and the model's logits on them; `source` says what the others are."""

    subject: _Subject
    suite: Suite | None
    source: str
    texts: list[str]
    reference: np.ndarray

    @cached_property
    def ids(self) -> list[list[int]]:
        return self.subject.runtime_tokenizer.tokenize(self.texts).ids

    def logits(self, graph: Graph) -> np.ndarray:
        """A graph's logits on the texts: the first ones one by one, the next in crowded batches, then as deployed."""
        ids = self.ids
        parts = ((ids[:ALONE], 1), (ids[ALONE : 4 * ALONE], CROWDED), (ids[4 * ALONE :], BATCH_SIZE))
        return np.concatenate([graph.logits(rows, batch_size=size) for rows, size in parts])


@dataclass(frozen=True, kw_only=True)
class _MadeGraph:
    """A graph that passed."""

    facts: GraphFacts
    content: bytes
    logits: np.ndarray


def _subject(name: str, max_length: int | None, positive: str | None, progress: Progress) -> _Subject:
    folder = Path(name)
    if (folder / EXPERIMENT_FILE).is_file():
        folder, why = to_ship(folder)
        progress.say(why)
        name = str(folder)
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ModelError(f"{name}: is a LoRA adapter alone; name the folder of the model that it was merged into")
    run = find_in_run(folder)
    source = find_model(name)
    labels = source.labels
    _refuse_other_tasks(source, labels)
    if positive is None and run is not None:
        positive = run.positive
    classes = model_classes(source.name, labels, positive)
    for announcement in classes.announcements:
        progress.say(announcement)
    tokenizer = load_tokenizer(source)
    trained_on = run.experiment.training.max_length if run else LONGEST
    longest = min(longest_input(source), max_length or trained_on)
    return _Subject(
        source=source,
        model=load_classifier(source, labels).eval(),
        tokenizer=tokenizer,
        tokenizer_content=_tokenizer_content(source, tokenizer),
        max_length=longest,
        classes=classes,
        decision=load_decision(source.folder) or Decision(policy="argmax"),
        run=run,
    )


def _refuse_other_tasks(source: ModelSource, labels: Sequence[str]) -> None:
    """A bundle's scores are a softmax over classes, of which a text has one."""
    if source.config.problem_type not in {None, "single_label_classification"} or len(labels) < 2:
        raise ModelError(f"{source.name}: is no classifier that gives a text one of several classes; can't be exported")
    if len(set(labels)) < len(labels):
        raise ModelError(f"{source.name}: two of its classes have the same name; rename them in its config.json")


def _tokenizer_content(source: ModelSource, tokenizer: PreTrainedTokenizerBase) -> str:
    """What goes into tokenizer.json, without padding and truncation, which the runtime sets by itself."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(f"{source.name}: its tokenizer has no tokenizer.json; it can't run without Transformers")
    if tokenizer.truncation_side != "right":
        raise ModelError(f"{source.name}: its tokenizer cuts long texts at their start, which no bundle does")
    backend.no_padding()
    backend.no_truncation()
    content: str = backend.to_str(pretty=False)
    return content


def _suite(asked: str | None, labels: Mapping[str, str] | None, subject: _Subject) -> Suite | None:
    """The suite that is asked for, that of the run, or the built-in one where it fits the classes."""
    classes, run = subject.classes, subject.run
    if asked is not None:
        return read_suite(asked, classes, labels)
    if run is not None:
        return read_suite(run.suite, classes, run.experiment.suite_labels) if run.suite else None
    return read_suite(BUILTIN, classes) if classes.of_two else None


def _other_texts(subject: _Subject, rows: str | None, column: str | None) -> tuple[str, list[str]]:
    """The texts besides the suite's that a graph is proved on, and what they are."""
    if rows is not None:
        return rows, read_texts(rows, text=column)[:MOST_ROWS]
    if subject.run is not None:
        return "the run's validation rows", subject.run.validation_texts()[:MOST_ROWS]
    return "no rows besides the suite", []


def _fp32(proof: _Proof, progress: Progress) -> _MadeGraph:
    progress.say(f"{FP32_GRAPH}: exporting …")
    content = to_onnx(proof.subject.model)
    made = _proved(proof, FP32_GRAPH, "as trained", content)
    if complaint := fp32_complaint(made.facts.parity):
        raise BundleError(f"{FP32_GRAPH}: is not the model that it was made from: {complaint}")
    _say(made, progress)
    return made


def _int8(proof: _Proof, progress: Progress) -> tuple[_MadeGraph | None, tuple[Attempt, ...]]:
    """The smallest graph in 8 bits that passes, None where none does, and what was refused before."""
    subject = proof.subject
    refused: list[Attempt] = []
    for method, kept in _int8_settings(proof):
        progress.say(f"{INT8_GRAPH}: exporting, {method} …")
        made = _proved(proof, INT8_GRAPH, method, to_onnx(quantised(subject.model, kept=kept)))
        complaint = int8_complaint(made.facts.parity)
        if complaint is None:
            _say(made, progress)
            return made, tuple(refused)
        refused.append(Attempt(method=method, complaint=complaint))
        progress.say(f"{INT8_GRAPH}: refused: {complaint}")
        changed = flipped(proof.reference, made.logits, subject.decision, subject.classes.positive)
        for row in changed[:MOST_SHOWN]:
            progress.say(f"  decided otherwise: {excerpt(proof.texts[row], 80)!r}")
        if len(changed) > MOST_SHOWN:
            progress.say(f"  and {len(changed) - MOST_SHOWN} more")
    progress.say(f"{INT8_GRAPH}: no setting passes, so it is left out")
    return None, tuple(refused)


def _int8_settings(proof: _Proof) -> Iterator[tuple[str, list[str]]]:
    """What is tried, by name, with the layers that stay in 32 bits; what these are is found out when it is asked."""
    layers, noisiest = linear_layers(proof.subject.model), list[str]()
    for share in KEPT_SHARES:
        count = round(share * len(layers))
        if count and not noisiest:
            by_layer = noise(proof.subject.model, list(_noise_batches(proof)))
            noisiest = sorted(by_layer, key=by_layer.__getitem__, reverse=True)
        but = f" but for the {count} noisiest" if count else ""
        yield f"all {len(layers)} linear layers{but} in int8, a scale a channel and a range a token", noisiest[:count]


def _noise_batches(proof: _Proof) -> Iterator[dict]:
    subject = proof.subject
    rows: EncodedRows = encode(proof.texts[:NOISE_ROWS], subject.tokenizer, subject.max_length)
    for start in range(0, len(rows), BATCH_SIZE):
        yield collate(rows, np.arange(start, min(start + BATCH_SIZE, len(rows))))


def _proved(proof: _Proof, file: str, method: str, content: bytes) -> _MadeGraph:
    """A graph with what its parity is, whether it passes or not."""
    subject = proof.subject
    logits = proof.logits(subject.graph(content, file))
    found = parity(
        proof.reference,
        logits,
        subject.decision,
        subject.classes.positive,
        source=proof.source,
        cases=proof.suite.cases if proof.suite else (),
        class_names=subject.classes.names,
    )
    facts = GraphFacts(file=file, opset=opset(subject.model), method=method, parity=found)
    return _MadeGraph(facts=facts, content=content, logits=logits)


def _say(made: _MadeGraph, progress: Progress) -> None:
    facts, found = made.facts, made.facts.parity
    progress.say(
        f"{facts.file}: {len(made.content) / 1e6:.1f} MB; {found.decisions_equal:.2%} of {found.rows:,} decisions "
        f"equal, largest difference of a probability {found.largest_difference:.1e}"
    )


def _manifest(proof: _Proof, graphs: Sequence[_MadeGraph], refused: tuple[Attempt, ...]) -> Manifest:
    subject, run, preferred = proof.subject, proof.subject.run, graphs[0]
    classes, suite = subject.classes, proof.suite
    decided = decide(subject.decision, preferred.logits, classes.positive)
    return Manifest(
        format_version=FORMAT_VERSION,
        name=_name(subject),
        labels=list(classes.names),
        positive=None if classes.positive is None else classes.names[classes.positive],
        max_length=subject.max_length,
        pad_token_id=subject.tokenizer.pad_token_id,
        normalisation=NORMALISATION,
        decision=subject.decision,
        graphs=[graph.facts for graph in graphs],
        refused=refused,
        origin=Origin(
            model=_name(subject),
            architecture=subject.source.config.model_type,
            layers=subject.source.depth,
            parameters=parameters(subject.model)[0],
            fingerprint=subject.source.fingerprint,
            **(run.origin() if run else {}),
        ),
        metrics=run.metrics() if run else {},
        metrics_rows=run.results.data.parts["test"].rows if run else None,
        suite=suite.facts() if suite else None,
        suite_result=suite_shares(
            preferred.facts.file, suite.cases, decided[np.newaxis, -len(suite.cases) :], classes.names
        )
        if suite
        else None,
        self_test=_self_test(subject, graphs),
        versions={package: metadata.version(package) for package in VERSIONS},
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _name(subject: _Subject) -> str:
    """What the bundle calls its model: without the path of this machine."""
    if subject.run is not None:
        return f"{subject.run.results.name}/{subject.run.model.folder}"
    return subject.source.folder.resolve().name if Path(subject.source.name).is_dir() else subject.source.name


def _self_test(subject: _Subject, graphs: Sequence[_MadeGraph]) -> list[SelfTest]:
    ids = subject.runtime_tokenizer.tokenize(SELF_TEST_TEXTS).ids
    scores = {
        graph.facts.file: scaled_probabilities(
            subject.graph(graph.content, graph.facts.file).logits(ids), subject.decision.temperature
        ).tolist()
        for graph in graphs
    }
    return [
        SelfTest(text=text, scores={file: of_file[row] for file, of_file in scores.items()})
        for row, text in enumerate(SELF_TEST_TEXTS)
    ]
