"""Export: from a trained classifier to a bundle, whose graphs are proved to decide as the classifier does.

Each graph is written, asked about the same texts as the model, and shipped only if it passes (`exporting.parity`).
Eight bits are tried from the smallest setting to the safest one; where none passes, the bundle has 32 bits alone and
says so.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np

from foreshot.data.table import read_texts
from foreshot.data.texts import NORMALISATION, normalise
from foreshot.errors import BundleError, ConfigError
from foreshot.exporting.card import Told, card
from foreshot.exporting.proving import MadeGraph, Proof, fp32_graph, int8_graph
from foreshot.exporting.subject import Subject, find_subject
from foreshot.exporting.trimming import trim, trimmed_proof
from foreshot.files.atomic import replacing_folder, write_atomically
from foreshot.files.bounded import read_small
from foreshot.judging.shares import suite_shares
from foreshot.models.students import parameters
from foreshot.progress import Progress, Silent
from foreshot.results.decisions import LabelDecisions
from foreshot.runtime.bundle import (
    CARD_FILE,
    FORMAT_VERSION,
    FP32_GRAPH,
    INT8_GRAPH,
    MANIFEST_FILE,
    SUMS_FILE,
    TOKENIZER_FILE,
    Attempt,
    Manifest,
    Origin,
    SelfTest,
    TrimmedVocabulary,
    refuse_as_target,
    sums_of,
)
from foreshot.runtime.decisions import decide, scores_of, view_of
from foreshot.runtime.verifying import verify
from foreshot.settings.dialect import AskedDialect, asked_dialect
from foreshot.settings.experiment import BUILTIN_SUITE
from foreshot.suites.cases import Suite, read_suite
from foreshot.suites.lessons import contrast_texts
from foreshot.training.mending import MOST_CONTRASTS, contrast_seed

BITS = {"32": FP32_GRAPH, "8": INT8_GRAPH}
SHORTEST = 8  # tokens
MOST_ROWS = 2000  # of the validation part, or of the file that is given
MOST_BYTES_OF_WORDS = 2**24  # of a list whose words stay
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
    separator: str | None = None,
    quoting: str | None = None,
    problem_type: str | None = None,
    trim_vocabulary: bool = False,
    least_rows: int = 1,
    keep_words: str | None = None,
    language: str | None = None,
    licence: str | None = None,
    about: str | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Write the bundle `out` from a classifier: a run's folder (what its verdict ships), a model's folder, or a hub id.

    `bits` says which graphs are wanted. Parity is proved on the run's validation rows, or on the column `text` of the
    file `rows`, and on `suite` (a file, or the run's, or the built-in one where it fits). `positive` is the class that
    counts as toxic, or the label to judge of a multi-label model; `problem_type` ("single-label", "multi-label") says
    which it is, where its config.json doesn't. `separator` and `quoting` are those of `rows` (`settings.dialect`), else
    found. `trim_vocabulary` leaves out the word pieces that fewer than `least_rows` of the run's training rows have
    (outside a run: of `rows`), no case of the suite and no line of the file `keep_words` (`exporting.trimming`).
    `language`, `licence` and the Markdown of the file `about` go into the card. The date that the bundle bears is that
    of SOURCE_DATE_EPOCH, in seconds since 1970, where the environment has it (reproducible-builds.org). Raises
    ForeshotError for what can't be used, for a graph in 32 bits that isn't the model, and for a bundle that `verify`
    would refuse; `out` is then as it was.
    """
    progress, out = progress or Silent(), Path(out)
    if not bits or not set(bits) <= BITS.keys():
        raise ConfigError(f"⟨bits⟩ {','.join(bits)}: must be 32, 8, or both by comma")
    if max_length is not None and max_length < SHORTEST:
        raise ConfigError(f"⟨max_length⟩ {max_length}: must be at least {SHORTEST}")
    if least_rows < 1:
        raise ConfigError(f"⟨least_rows⟩ {least_rows}: must be at least 1")
    if not trim_vocabulary and (least_rows > 1 or keep_words is not None):
        asked = "⟨least_rows⟩" if least_rows > 1 else "⟨keep_words⟩"
        raise ConfigError(f"{asked}: says what ⟨trim_vocabulary⟩ leaves; ask for that, too")
    words = [] if keep_words is None else _words(Path(keep_words))
    told = Told(language=language, licence=licence, about=_read("about", Path(about), "Markdown") if about else "")
    made_at = _now()
    dialect = asked_dialect(separator, quoting, say=progress.say)
    refuse_as_target(out)
    subject = find_subject(str(model), max_length, positive, problem_type, progress)
    cases = _suite(suite, suite_labels, subject, replace(dialect, firm=False))
    source, others = _other_texts(subject, rows, text, dialect)
    texts = [*others, *(case.text for case in cases.cases)] if cases else others
    if not texts:
        raise ConfigError(f"{subject.source.name}: nothing to prove it on; name texts with ⟨rows⟩ FILE")
    subject.check_tokenization(texts)
    trimming = None
    if trim_vocabulary:
        trained_on, training_texts = _training_texts(subject, rows, text, dialect)
        always = [case.text for case in cases.cases] if cases else []
        always += [*_contrast_texts(subject), *words]
        trimming = trim(subject, training_texts, always, source=trained_on, least_rows=least_rows, progress=progress)
    progress.begin(f"asking {subject.source.name} about {len(texts):,} texts", len(texts))
    try:
        reference = subject.reference(texts, progress)
    finally:
        progress.end()
    proof = Proof(subject=subject, suite=cases, source=source, texts=texts, reference=reference)
    vocabulary = None
    if trimming is not None:
        unseen = [] if subject.run is None else subject.run.texts("test")[:MOST_ROWS]
        proof, vocabulary = trimmed_proof(proof, trimming, {"the run's test rows": unseen}, progress)
    made = [fp32_graph(proof, progress)] if "32" in bits else []
    smaller, refused = int8_graph(proof, progress) if "8" in bits else (None, ())
    graphs = [smaller, *made] if smaller else made
    if not graphs:
        raise BundleError(f"{out}: no setting of 8 bits decides as the model does; export it with ⟨bits⟩ 32,8")
    manifest = _manifest(proof, graphs, refused, vocabulary, parameters(subject.model)[0], made_at)
    with replacing_folder(out.resolve()) as workplace:  # a link stays one, to the new bundle
        (workplace / TOKENIZER_FILE).write_text(proof.subject.tokenizer_content, encoding="utf-8")
        for graph in graphs:
            (workplace / graph.facts.file).write_bytes(graph.content)
        write_atomically(workplace / MANIFEST_FILE, manifest.model_dump_json(indent=1) + "\n")
        write_atomically(workplace / CARD_FILE, card(manifest, told))
        write_atomically(workplace / SUMS_FILE, sums_of(workplace))
        verify(workplace, where=str(out))
        refuse_as_target(out)  # once more: something may have been put there meanwhile
    return manifest


def _suite(
    asked: str | None, labels: Mapping[str, str] | None, subject: Subject, dialect: AskedDialect
) -> Suite | None:
    """The suite that is asked for, that of the run, or the built-in one where it fits the classes."""
    classes, run = subject.classes, subject.run
    if asked is not None:
        return read_suite(asked, classes, labels, dialect)
    if run is not None:
        of_run = asked_dialect(run.experiment.separator, run.experiment.quoting, say=dialect.say)
        dialect = replace(of_run, firm=False)  # as the run read it
        return read_suite(run.suite, classes, run.experiment.suite_labels, dialect) if run.suite else None
    return read_suite(BUILTIN_SUITE, classes) if classes.of_two else None


def _other_texts(
    subject: Subject, rows: str | None, column: str | None, dialect: AskedDialect
) -> tuple[str, list[str]]:
    """The texts besides the suite's that a graph is proved on, and what they are."""
    if rows is not None:
        return rows, read_texts(rows, text=column, dialect=dialect)[:MOST_ROWS]
    if subject.run is not None:
        return "the run's validation rows", subject.run.texts("validation")[:MOST_ROWS]
    return "no rows besides the suite", []


def _words(path: Path) -> list[str]:
    """The lines of a list of words, normalised; raises ConfigError for one that can't be read."""
    return [normalise(line) for line in _read("keep_words", path, "a word or a text a line").splitlines()]


def _read(name: str, path: Path, what: str) -> str:
    try:
        return read_small(path, MOST_BYTES_OF_WORDS).decode("utf-8")
    except OSError as error:
        raise ConfigError(f"⟨{name}⟩ {path}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"⟨{name}⟩ {path}: is not UTF-8; save it as that, {what}") from None


def _now() -> datetime:
    """The date that a bundle bears: that of SOURCE_DATE_EPOCH, where it is set, so that a bundle can be made again."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if not given:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"SOURCE_DATE_EPOCH {given!r}: must be whole seconds since 1970") from None


def _training_texts(
    subject: Subject, rows: str | None, column: str | None, dialect: AskedDialect
) -> tuple[str, list[str]]:
    """The texts whose word pieces stay, and what they are."""
    if subject.run is not None:
        return "the run's training rows", subject.run.texts("train")
    if rows is not None:
        return rows, read_texts(rows, text=column, dialect=dialect)
    raise ConfigError(
        f"{subject.source.name}: is of no run, so nobody knows which words it was trained with; name texts that have "
        "them with ⟨rows⟩ FILE"
    )


def _contrast_texts(subject: Subject) -> list[str]:
    """The contrast texts that a mended model learnt from; none of another one."""
    run = subject.run
    if run is None or run.results.mending is None or run.model.model not in run.results.mending.references:
        return []
    return [contrast.text for contrast in contrast_texts(MOST_CONTRASTS, contrast_seed(run.experiment.first_seed))]


def _manifest(
    proof: Proof,
    graphs: Sequence[MadeGraph],
    refused: tuple[Attempt, ...],
    vocabulary: TrimmedVocabulary | None,
    parameters_before: int,
    made_at: datetime,
) -> Manifest:
    subject, run, preferred = proof.subject, proof.subject.run, graphs[0]
    classes, suite = subject.classes, proof.suite
    decision, view, positive = view_of(subject.decision, preferred.logits, classes.positive)
    decided = decide(decision, view, positive)
    return Manifest(
        format_version=FORMAT_VERSION,
        name=_name(subject),
        labels=subject.labels,
        positive=None if classes.positive is None else classes.names[classes.positive],
        max_length=subject.max_length,
        pad_token_id=subject.tokenizer.pad_token_id,
        normalisation=NORMALISATION,
        decision=decision,
        decisions=subject.decision if isinstance(subject.decision, LabelDecisions) else None,
        graphs=[graph.facts for graph in graphs],
        refused=refused,
        vocabulary=vocabulary,
        origin=Origin(
            model=_name(subject),
            architecture=subject.source.config.model_type,
            layers=subject.source.depth,
            parameters=parameters_before,
            fingerprint=subject.source.fingerprint,
            **(run.origin() if run else {}),
        ),
        metrics=run.metrics() if run else {},
        label_metrics=run.label_metrics() if run else None,
        metrics_rows=run.results.data.parts["test"].rows if run else None,
        suite=suite.facts() if suite else None,
        suite_result=suite_shares(
            preferred.facts.file, suite.cases, decided[np.newaxis, -len(suite.cases) :], classes.names
        )
        if suite
        else None,
        self_test=_self_test(subject, graphs),
        versions={package: metadata.version(package) for package in VERSIONS},
        made_at=made_at.isoformat(timespec="seconds"),
    )


def _name(subject: Subject) -> str:
    """What the bundle calls its model: without the path of this machine."""
    if subject.run is not None:
        return f"{subject.run.results.name}/{subject.run.model.folder}"
    return subject.source.folder.resolve().name if Path(subject.source.name).is_dir() else subject.source.name


def _self_test(subject: Subject, graphs: Sequence[MadeGraph]) -> list[SelfTest]:
    ids = subject.runtime_tokenizer.tokenize(SELF_TEST_TEXTS).ids
    scores = {
        graph.facts.file: scores_of(
            subject.decision, subject.graph(graph.content, graph.facts.file).logits(ids)
        ).tolist()
        for graph in graphs
    }
    return [
        SelfTest(text=text, scores={file: of_file[row] for file, of_file in scores.items()})
        for row, text in enumerate(SELF_TEST_TEXTS)
    ]
