"""The bundle: the folder that is deployed. What stands in it, how it is written, and when it is refused.

model.onnx, model.int8.onnx   the graphs, at least one: int64 `input_ids` and `attention_mask`, both (batch,
                              tokens), to float32 `logits` (batch, classes or labels)
tokenizer.json                for the tokenizers library
foreshot.json                 the manifest: labels, thresholds, where the model came from, how it was proved
README.md                     the model card
SHA256SUMS                    as sha256sum writes and checks it
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from foreshot.data.labels import several_kinds
from foreshot.data.marks import classes_of_mark
from foreshot.data.texts import excerpt, listing
from foreshot.errors import BundleError
from foreshot.files.bounded import read_small
from foreshot.results.base import Facts
from foreshot.results.behaviour import SuiteFacts, SuiteResult
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.decisions import complaint_about
from foreshot.runtime.ready import bundle_folder, is_ready_folder, names_ready, told_to_reinstall

FORMAT_VERSION = 1
FP32_GRAPH, INT8_GRAPH = "model.onnx", "model.int8.onnx"
TOKENIZER_FILE, MANIFEST_FILE, CARD_FILE, SUMS_FILE = "tokenizer.json", "foreshot.json", "README.md", "SHA256SUMS"
NEEDED = (TOKENIZER_FILE, MANIFEST_FILE, CARD_FILE)
MOST_BYTES = {  # ONNX itself ends at 2 GiB
    **dict.fromkeys((FP32_GRAPH, INT8_GRAPH), 2**31),
    TOKENIZER_FILE: 2**28,
    **dict.fromkeys((MANIFEST_FILE, CARD_FILE), 2**24),
    SUMS_FILE: 2**16,
}
"""Beyond these sizes a file isn't read, and so takes no memory."""
FILES = frozenset({FP32_GRAPH, INT8_GRAPH, *NEEDED, SUMS_FILE})


class Origin(Facts):
    """Where a bundle's model came from; all but `model` is None where it came from no run of Foreshot."""

    model: str
    architecture: str
    layers: int
    parameters: int
    fingerprint: str
    run: str | None = None
    recipe: dict[str, Any] | None = None
    layer_map: list[int] | None = None
    seed: int | None = None
    teacher: str | None = None
    encoder: str | None = None
    data: str | None = None
    data_fingerprint: str | None = None
    training_rows: int | None = None
    verdict: str | None = None
    verdict_reasons: tuple[str, ...] = ()


class Parity(Facts):
    """How near a graph comes to the model that it was made from, on rows at other batch sizes and lengths.

    `decisions_equal` is a share of `rows`; `suite_change` and `worst_functionality` are changes in the share right
    (0.01: one point), None where no suite was asked.
    """

    rows: int
    source: str
    largest_difference: float  # of a probability
    decisions_equal: float
    suite_cases: int | None = None
    suite_change: float | None = None
    worst_functionality: tuple[str, float] | None = None


class GraphFacts(Facts):
    """One ONNX graph of a bundle: its file, how it was made, and what proves it."""

    file: Literal["model.onnx", "model.int8.onnx"]
    opset: int
    method: str
    parity: Parity


class Attempt(Facts):
    """An int8 setting that was tried and refused, and why."""

    method: str
    complaint: str


class ChangedTexts(Facts):
    """What trimming changes: how many of `texts` get other tokens by it, and how many of these another decision."""

    source: str
    texts: int
    other_tokens: int
    other_decisions: int


class TrimmedVocabulary(Facts):
    """A vocabulary without the pieces that fewer than `least_rows` texts of `source` have: `pieces` of `pieces_before`.

    `changed` says what this changes, by the source of the texts.
    """

    pieces: int
    pieces_before: int
    least_rows: int
    source: str
    changed: tuple[ChangedTexts, ...]


class SelfTest(Facts):
    """A text, and the probability of each class or label that every graph must give it (`runtime.verifying`)."""

    text: str
    scores: dict[str, list[float]]  # by graph


class Manifest(Facts):
    """foreshot.json. `labels` stand in the order of the logits; `graphs` in the order of preference.

    A model with `decisions` is multi-label: a text can have any of its `labels`. `positive` is then the judged one and
    `decision` its decision; `suite_result` is about its view, and `label_metrics` has each label's metrics by name.
    `vocabulary` is None where all of the tokenizer's pieces are there.
    """

    format_version: int
    name: str
    labels: list[str]
    positive: str | None
    max_length: int
    pad_token_id: int
    normalisation: str
    decision: Decision
    decisions: LabelDecisions | None = None
    graphs: list[GraphFacts]
    refused: tuple[Attempt, ...] = ()
    vocabulary: TrimmedVocabulary | None = None
    origin: Origin
    metrics: dict[str, float | None]
    metrics_rows: int | None = None
    label_metrics: dict[str, dict[str, float | None]] | None = None
    suite: SuiteFacts | None = None
    suite_result: SuiteResult | None = None
    self_test: list[SelfTest]
    versions: dict[str, str]
    made_at: str

    @property
    def positive_index(self) -> int | None:
        """The number of the class that counts as toxic."""
        return None if self.positive is None else self.labels.index(self.positive)

    @property
    def deciding(self) -> Decision | LabelDecisions:
        """How it decides: on the class, or on each label."""
        return self.decisions or self.decision

    @property
    def announcements(self) -> tuple[str, ...]:
        """What makes its scores doubtful: a softmax over labels that a text can have several of."""
        if self.decisions is not None or not several_kinds(self.labels):
            return ()
        return (
            f"{self.name}: a text is taken to have one of its labels ({listing(self.labels)}), so that none is likely "
            "beside another; if it can have several, export it again with --problem-type multi-label",
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of which a text has one: the labels, or those of the judged label's view."""
        return tuple(self.labels) if self.decisions is None else classes_of_mark(self.decisions.judged).names


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle whose files are all listed and whose sums, but for graphs that were not read, are right.

    `checksum` is SHA256SUMS's own SHA-256, which stands for all files.
    """

    folder: Path
    manifest: Manifest
    tokenizer: str  # the content of tokenizer.json
    sums: Mapping[str, str]
    checksum: str

    def read_graph(self, file: str) -> bytes:
        """A graph's content; raises BundleError when it isn't what the sums say."""
        if file not in {graph.file for graph in self.manifest.graphs}:
            had = ", ".join(graph.file for graph in self.manifest.graphs)
            raise BundleError(f"{self.folder}: has no {excerpt(file)}; it has {had}")
        with told_to_reinstall(self.folder):
            return _read(self.folder, file, self.sums)


def is_bundle(folder: Path) -> bool:
    """Whether a folder claims to be a bundle; READY (`runtime.ready`) does, where no model of that name is there."""
    return names_ready(folder) or (folder / MANIFEST_FILE).is_file() or (folder / SUMS_FILE).is_file()


def read_bundle(folder: str | Path) -> Bundle:
    """Open a bundle; raises BundleError for one that is damaged, incomplete, of another format, or no bundle.

    READY (`runtime.ready`) is the ready model, where no model of that name is there. The graphs are read, and their
    sums checked, when they are used: `Bundle.read_graph`.
    """
    folder = bundle_folder(folder)
    with told_to_reinstall(folder):
        return _open(folder)


def refuse_as_target(out: Path) -> None:
    """Raise BundleError unless nothing but a bundle is in a folder, since a new bundle replaces all of it."""
    try:
        held = {path.name for path in out.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise BundleError(f"{out}: can't hold a bundle ({error.strerror}); choose another ⟨out⟩") from None
    if others := sorted(held - FILES):
        raise BundleError(f"{out}: holds {excerpt(others[0])}, which is no part of a bundle; choose another ⟨out⟩")
    if held and MANIFEST_FILE not in held:
        raise BundleError(f"{out}: exists and is not a bundle (it has no {MANIFEST_FILE}); choose another ⟨out⟩")


def sums_of(folder: Path) -> str:
    """The content of SHA256SUMS for all files that a folder holds now."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS_FILE)
    return "".join(f"{sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)


def _open(folder: Path) -> Bundle:
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such folder; give a bundle that foreshot export made")
    if not is_bundle(folder):
        raise BundleError(f"{folder}: is not a bundle (it has no {MANIFEST_FILE}); make one with foreshot export")
    _refuse_what_is_no_file(folder)
    sums, checksum = _read_sums(folder)
    _refuse_unlisted(folder, sums)
    manifest = _parse_manifest(folder / MANIFEST_FILE, _read(folder, MANIFEST_FILE, sums))
    missing = [name for name in (*NEEDED, *(graph.file for graph in manifest.graphs)) if name not in sums]
    if missing:
        raise BundleError(f"{folder}: {missing[0]} is missing from {SUMS_FILE}; export the bundle again")
    _read(folder, CARD_FILE, sums)
    tokenizer = _read(folder, TOKENIZER_FILE, sums)
    try:
        return Bundle(
            folder=folder, manifest=manifest, tokenizer=tokenizer.decode("utf-8"), sums=sums, checksum=checksum
        )
    except UnicodeDecodeError:
        raise BundleError(f"{folder / TOKENIZER_FILE}: is not UTF-8; export the bundle again") from None


def _read_sums(folder: Path) -> tuple[dict[str, str], str]:
    """What SHA256SUMS says, by file, and its own SHA-256."""
    path = folder / SUMS_FILE
    try:
        content = read_small(path, MOST_BYTES[SUMS_FILE])
        lines = content.decode("ascii").splitlines()
    except FileNotFoundError:
        raise BundleError(f"{path}: is missing; copy the bundle whole or export it again") from None
    except (OSError, UnicodeDecodeError):
        raise BundleError(f"{path}: can't be read; copy the bundle whole or export it again") from None
    sums = {}
    for number, line in enumerate(lines, start=1):
        digest, separator, name = line.partition("  ")
        if not separator or len(digest) != 64 or not name or "/" in name or name in sums:
            raise BundleError(f"{path}, line {number}: is not 'SHA-256  name'; export the bundle again")
        sums[name] = digest
    return sums, sha256(content).hexdigest()


def _refuse_what_is_no_file(folder: Path) -> None:
    """A bundle holds plain files alone; asked before any is opened, since a pipe or a device may never end.

    Those of the ready model may be links, as some installers make of a package's files.
    """
    for path in sorted(folder.iterdir()):
        if (path.is_symlink() and not is_ready_folder(folder)) or not path.is_file():
            raise BundleError(
                f"{folder}: {excerpt(path.name)} is no plain file; a bundle holds nothing else; remove it"
            )


def _refuse_unlisted(folder: Path, sums: Mapping[str, str]) -> None:
    """A bundle holds the files that its sums name, and nothing that somebody put beside them."""
    held = sorted(path.name for path in folder.iterdir())
    for name in held:
        if name not in sums and name != SUMS_FILE:
            raise BundleError(f"{folder}: holds {excerpt(name)}, which is not in {SUMS_FILE}; remove it")
    for name in sums:
        if name not in held:
            raise BundleError(f"{folder / excerpt(name)}: is missing; copy the bundle whole or export it again")


def _read(folder: Path, name: str, sums: Mapping[str, str]) -> bytes:
    if name not in sums:
        raise BundleError(f"{folder}: {name} is missing from {SUMS_FILE}; export the bundle again")
    try:
        content = read_small(folder / name, MOST_BYTES[name])
    except OSError as error:
        raise BundleError(f"{folder / name}: can't be read ({error.strerror})") from None
    if sha256(content).hexdigest() != sums[name]:
        raise BundleError(
            f"{folder / name}: is not what was exported (its SHA-256 differs from {SUMS_FILE}); copy it again"
        )
    return content


def _parse_manifest(path: Path, content: bytes) -> Manifest:
    try:
        found = json.loads(content)
        version = found["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BundleError(f"{path}: has no format_version; it is not the manifest of a bundle") from None
    if version != FORMAT_VERSION or not isinstance(version, int):
        newer = isinstance(version, int) and version > FORMAT_VERSION
        remedy = "upgrade Foreshot" if newer else "export the bundle again"
        raise BundleError(
            f"{path}: is of format {excerpt(version)}, and this Foreshot reads format {FORMAT_VERSION}; {remedy}"
        )
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{path}: {excerpt(where)}: {excerpt(first['msg'], 80)}; export the bundle again") from None
    if complaint := _contradiction(manifest):
        raise BundleError(f"{path}: {complaint}; export the bundle again")
    return manifest


def _contradiction(manifest: Manifest) -> str | None:
    decisions = manifest.decisions
    complaint = (
        _complaint_about_classes(manifest) if decisions is None else _complaint_about_labels(manifest, decisions)
    )
    if complaint is not None:
        return complaint
    if manifest.max_length < 1:
        return "its max_length must be at least 1"
    if not manifest.graphs:
        return "it names no graph"
    return complaint_about(manifest.decision)


def _complaint_about_classes(manifest: Manifest) -> str | None:
    if len(manifest.labels) < 2 or len(set(manifest.labels)) < len(manifest.labels):
        return "its labels must be two or more, each once"
    if manifest.positive is not None and manifest.positive not in manifest.labels:
        return f"its positive label {excerpt(manifest.positive)!r} is none of its labels"
    if manifest.decision.threshold is not None and manifest.positive is None:
        return "its decision has a threshold and no positive label for it"
    return None


def _complaint_about_labels(manifest: Manifest, decisions: LabelDecisions) -> str | None:
    if list(decisions.by_label) != manifest.labels:
        return "its decisions must be of its labels, each once and in their order"
    if complaint := complaint_about(decisions):
        return complaint
    if manifest.positive != decisions.judged or manifest.decision != decisions.by_label[decisions.judged]:
        return f"its positive label and its decision must be those of the judged label {excerpt(decisions.judged)!r}"
    return None
