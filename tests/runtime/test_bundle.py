"""What a bundle must be to be opened: every way in which it may not be one, each refused in one line."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tiny_bundles import label_decisions, make_graph, make_manifest, tiny_bundle

from foreshot import load
from foreshot.errors import BundleError
from foreshot.runtime.bundle import (
    CARD_FILE,
    FP32_GRAPH,
    MANIFEST_FILE,
    SUMS_FILE,
    TOKENIZER_FILE,
    read_bundle,
    refuse_as_target,
    sums_of,
)

HOSTILE = "\x1b[31mred\u202e\r\n=1+1"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle")


def mend_sums(bundle: Path) -> None:
    (bundle / SUMS_FILE).write_text(sums_of(bundle), encoding="utf-8")


def write_manifest(bundle: Path, content: str | bytes) -> None:
    (bundle / MANIFEST_FILE).write_bytes(content.encode() if isinstance(content, str) else content)
    mend_sums(bundle)


def change_manifest(**fields: Any) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        manifest = json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))
        write_manifest(bundle, json.dumps({**manifest, **fields}))

    return change


def change_sums(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def write(bundle: Path) -> None:
        lines = (bundle / SUMS_FILE).read_text(encoding="ascii").splitlines()
        (bundle / SUMS_FILE).write_text("\n".join(change(lines)) + "\n", encoding="utf-8")

    return write


def append_to(name: str) -> Callable[[Path], None]:
    def append(bundle: Path) -> None:
        with (bundle / name).open("ab") as file:
            file.write(b"\n")

    return append


def add_file(name: str, *, listed: bool = False) -> Callable[[Path], None]:
    def add(bundle: Path) -> None:
        (bundle / name).write_bytes(b"\x80\x04N.")
        if listed:
            mend_sums(bundle)

    return add


def remove(name: str, *, from_sums: bool = False) -> Callable[[Path], None]:
    def take(bundle: Path) -> None:
        (bundle / name).unlink()
        if from_sums:
            mend_sums(bundle)

    return take


def replace_by(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(bundle: Path) -> None:
        (bundle / name).unlink()
        make(bundle / name)

    return replace


def write_file(name: str, content: bytes) -> Callable[[Path], None]:
    def write(bundle: Path) -> None:
        (bundle / name).write_bytes(content)
        mend_sums(bundle)

    return write


ARGMAX = {"policy": "argmax"}
BY_LABEL = {"toxic": ARGMAX, "insult": ARGMAX}


def change_several(**fields: Any) -> Callable[[Path], None]:
    """Fields of the manifest of a multi-label bundle, which is put in the place of the one that is there."""

    def change(bundle: Path) -> None:
        tiny_bundle(bundle, decisions=label_decisions("toxic", "insult"))
        change_manifest(**fields)(bundle)

    return change


GRAPH = make_manifest().graphs[0].model_dump()

REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    # ---- files ----
    "no sums": (remove(SUMS_FILE), "SHA256SUMS: is missing; copy the bundle whole or export it again"),
    "no manifest": (remove(MANIFEST_FILE), "foreshot.json: is missing"),
    "no card": (remove(CARD_FILE), "README.md: is missing"),
    "no tokenizer": (remove(TOKENIZER_FILE), "tokenizer.json: is missing"),
    "no graph": (remove(FP32_GRAPH), "model.onnx: is missing"),
    "manifest in no sums": (remove(MANIFEST_FILE, from_sums=True), "foreshot.json is missing from SHA256SUMS"),
    "card in no sums": (remove(CARD_FILE, from_sums=True), "README.md is missing from SHA256SUMS"),
    "tokenizer in no sums": (remove(TOKENIZER_FILE, from_sums=True), "tokenizer.json is missing from SHA256SUMS"),
    "graph in no sums": (remove(FP32_GRAPH, from_sums=True), "model.onnx is missing from SHA256SUMS"),
    "other manifest": (append_to(MANIFEST_FILE), "foreshot.json: is not what was exported"),
    "other card": (append_to(CARD_FILE), "README.md: is not what was exported"),
    "other tokenizer": (append_to(TOKENIZER_FILE), "tokenizer.json: is not what was exported"),
    "other graph": (append_to(FP32_GRAPH), "model.onnx: is not what was exported"),
    "a pickle": (add_file("weights.pkl"), "holds weights.pkl, which is not in SHA256SUMS; remove it"),
    "code": (add_file("modeling.py"), "holds modeling.py, which is not in SHA256SUMS; remove it"),
    "a hidden file": (add_file(".hidden"), "holds .hidden, which is not in SHA256SUMS; remove it"),
    "hostile name": (add_file(HOSTILE), "holds [31mred =1+1, which is not in SHA256SUMS; remove it"),
    "folder": (lambda bundle: (bundle / "onnx").mkdir(), "onnx is no plain file; a bundle holds nothing else; remove"),
    "hostile folder": (lambda bundle: (bundle / HOSTILE).mkdir(), "[31mred =1+1 is no plain file"),
    "link": (replace_by(CARD_FILE, lambda path: path.symlink_to("/etc/hostname")), "README.md is no plain file"),
    "broken link": (lambda bundle: (bundle / "x").symlink_to("nowhere"), "x is no plain file"),
    "link to sums": (replace_by(SUMS_FILE, lambda path: path.symlink_to("/dev/zero")), "SHA256SUMS is no plain file"),
    "pipe for sums": (replace_by(SUMS_FILE, os.mkfifo), "SHA256SUMS is no plain file"),
    "pipe for a graph": (replace_by(FP32_GRAPH, os.mkfifo), "model.onnx is no plain file"),
    # ---- sums ----
    "sums above": (change_sums(lambda lines: [*lines, "0" * 64 + "  ../x"]), "SHA256SUMS, line 5: is not 'SHA-256  na"),
    "sums elsewhere": (change_sums(lambda lines: [*lines, "0" * 64 + "  /x"]), "SHA256SUMS, line 5: is not"),
    "sums of a parent": (change_sums(lambda lines: [*lines, "0" * 64 + "  .."]), "..: is missing"),
    "sums of what isn't there": (change_sums(lambda lines: [*lines, "0" * 64 + "  \x1bx"]), "bundle/x: is missing"),
    "sums twice": (change_sums(lambda lines: [*lines, lines[1]]), "SHA256SUMS, line 5: is not"),
    "short sum": (change_sums(lambda lines: [lines[0][1:], *lines[1:]]), "SHA256SUMS, line 1: is not"),
    "one space": (change_sums(lambda lines: [lines[0].replace("  ", " "), *lines[1:]]), "SHA256SUMS, line 1: is not"),
    "no name": (change_sums(lambda lines: [lines[0], "0" * 64 + "  ", *lines[2:]]), "SHA256SUMS, line 2: is not"),
    "empty line": (change_sums(lambda lines: ["", *lines]), "SHA256SUMS, line 1: is not"),
    "odd letters": (change_sums(lambda lines: [*lines, "ü"]), "SHA256SUMS: can't be read"),
    "empty sums": (change_sums(lambda _: []), "SHA256SUMS, line 1: is not"),
    # ---- several labels ----
    "other labels": (
        change_several(labels=["insult", "toxic"]),
        "its decisions must be of its labels, each once and in",
    ),
    "more labels": (change_several(labels=["toxic", "insult", "threat"]), "its decisions must be of its labels"),
    "no labels": (change_several(labels=[], decisions={"judged": "a", "by_label": {}}), "judged label 'a' is none of"),
    "label twice": (change_several(labels=["toxic", "toxic"]), "its decisions must be of its labels, each once"),
    "judged elsewhere": (
        change_several(decisions={"judged": HOSTILE, "by_label": BY_LABEL}),
        "its judged label '[31mred =1+1' is none of its labels",
    ),
    "other positive": (
        change_several(positive="insult"),
        "its positive label and its decision must be those of the ju",
    ),
    "no positive": (change_several(positive=None), "its positive label and its decision must be those of the judged"),
    "other decision": (
        change_several(decision={"policy": "best-f1", "threshold": 0.3}),
        "its positive label and its decision must be those of the judged label 'toxic'",
    ),
    "odd decision": (
        change_several(decisions={"judged": "toxic", "by_label": {**BY_LABEL, "insult": {"policy": "best-f1"}}}),
        "label 'insult': its thresholds are not those of 'best-f1'; export",
    ),
    "decisions of a model of classes": (
        change_manifest(decisions={"judged": "toxic", "by_label": BY_LABEL}),
        "its decisions must be of its labels",
    ),
    # ---- the manifest ----
    "newer": (change_manifest(format_version=2), "is of format 2, and this Foreshot reads format 1; upgrade Foreshot"),
    "older": (change_manifest(format_version=0), "is of format 0, and this Foreshot reads format 1; export the bundle"),
    "a text": (change_manifest(format_version="1"), "is of format 1, and this Foreshot reads format 1; export the"),
    "a fraction": (change_manifest(format_version=1.0), "is of format 1.0, and"),
    "nothing": (change_manifest(format_version=None), "is of format None, and"),
    "a list": (change_manifest(format_version=[HOSTILE]), "is of format ['\\x1b[31mred"),
    "no version": (lambda bundle: write_manifest(bundle, "{}"), "has no format_version; it is not the manifest of"),
    "a list of all": (lambda bundle: write_manifest(bundle, "[1]"), "has no format_version"),
    "a number": (lambda bundle: write_manifest(bundle, "7"), "has no format_version"),
    "no JSON": (lambda bundle: write_manifest(bundle, "{"), "has no format_version"),
    "no text": (lambda bundle: write_manifest(bundle, b"\xff\xfe\x00"), "has no format_version"),
    "empty": (lambda bundle: write_manifest(bundle, ""), "has no format_version"),
    "deep": (lambda bundle: write_manifest(bundle, "[" * 100_000), "has no format_version"),
    "deep and versioned": (
        lambda bundle: write_manifest(bundle, '{"format_version": 1, "labels": ' + "[" * 900 + "]" * 900 + "}"),
        "foreshot.json: ",
    ),
    "version alone": (lambda bundle: write_manifest(bundle, '{"format_version": 1}'), "name: Field required; export"),
    "labels a text": (change_manifest(labels="benign,toxic"), "labels: Input should be a valid"),
    "an unknown field": (change_manifest(**{HOSTILE: 1}), "[31mred =1+1: Extra inputs are not permitted"),
    "length a text": (change_manifest(max_length="many"), "max_length: Input should be a valid integer"),
    "no origin": (change_manifest(origin=None), "origin: Input should be"),
    "another graph": (change_manifest(graphs=[{**GRAPH, "file": "../model.onnx"}]), "graphs.0.file: Input should be"),
    "half a pair": (change_manifest(name="\ud800"), "foreshot.json: "),
    # ---- contradictions ----
    "one label": (change_manifest(labels=["toxic"]), "its labels must be two or more, each once"),
    "labels twice": (change_manifest(labels=["toxic", "toxic"]), "its labels must be two or more, each once"),
    "positive none of them": (change_manifest(positive=HOSTILE), "positive label '[31mred =1+1' is none of its labels"),
    "no length": (change_manifest(max_length=0), "its max_length must be at least 1"),
    "no graphs": (change_manifest(graphs=[]), "it names no graph"),
    "a graph not there": (change_manifest(graphs=[{**GRAPH, "file": "model.int8.onnx"}]), "model.int8.onnx is missing"),
    "threshold for nothing": (
        change_manifest(positive=None, decision={"policy": "best-f1", "threshold": 0.4}),
        "its decision has a threshold and no positive label for it",
    ),
    "no such policy": (change_manifest(decision={"policy": "always"}), "is not one of argmax, best-f1"),
    "no threshold": (change_manifest(decision={"policy": "best-f1"}), "its thresholds are not those of 'best-f1'"),
    "no temperature": (change_manifest(decision={"policy": "argmax", "temperature": 0}), "its temperature is 0"),
    # ---- contents ----
    "tokenizer no JSON": (write_file(TOKENIZER_FILE, b"{"), "its tokenizer.json can't be used ("),
    "tokenizer empty": (write_file(TOKENIZER_FILE, b""), "its tokenizer.json can't be used ("),
    "tokenizer of another kind": (write_file(TOKENIZER_FILE, b'{"model": 1}'), "its tokenizer.json can't be used ("),
    "tokenizer no UTF-8": (write_file(TOKENIZER_FILE, b'{"\xff": 1}'), "tokenizer.json: is not UTF-8; export"),
    "graph empty": (write_file(FP32_GRAPH, b""), "model.onnx: can't be run ("),
    "graph no ONNX": (write_file(FP32_GRAPH, b"\x1b[31m" * 9), "model.onnx: can't be run ("),
    "graph cut": (write_file(FP32_GRAPH, make_graph()[:-40]), "model.onnx: can't be run ("),
    "graph of three": (write_file(FP32_GRAPH, make_graph(3)), "model.onnx: gives 3 logits for 2 labels; export it"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_refused_in_one_line(bundle: Path, foreshot: Callable[..., Any], kind: str) -> None:
    damage, complaint = REFUSED[kind]
    damage(bundle)
    with pytest.raises(BundleError) as error:
        load(bundle)
    message = str(error.value)
    assert complaint in message
    assert str(bundle) in message
    assert message.isprintable()
    done = foreshot("verify", bundle)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"foreshot: {message}\n"


def test_what_is_no_bundle_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("{}", encoding="utf-8")
    for name in ("nowhere", "file"):
        with pytest.raises(BundleError, match=rf"{name}: no such folder; give a bundle that foreshot export made$"):
            read_bundle(tmp_path / name)
    with pytest.raises(
        BundleError, match=r"is not a bundle \(it has no foreshot\.json\); make one with foreshot expor"
    ):
        read_bundle(tmp_path)


def test_sums_are_those_of_sha256sum(bundle: Path) -> None:
    """Written by hand as `sha256sum *` does: the sum in hexadecimal, two spaces, the name."""
    names = [CARD_FILE, MANIFEST_FILE, FP32_GRAPH, TOKENIZER_FILE]
    lines = [f"{sha256((bundle / name).read_bytes()).hexdigest()}  {name}" for name in names]
    assert (bundle / SUMS_FILE).read_text(encoding="ascii").splitlines() == lines


def test_a_graph_is_read_when_it_is_used(bundle: Path) -> None:
    opened = read_bundle(bundle)
    assert opened.read_graph(FP32_GRAPH) == make_graph()
    append_to(FP32_GRAPH)(bundle)
    with pytest.raises(BundleError, match=r"model\.onnx: is not what was exported \(its SHA-256 differs"):
        read_bundle(bundle).read_graph(FP32_GRAPH)
    with pytest.raises(BundleError, match=r"has no \.\./x; it has model\.onnx$"):
        opened.read_graph("../x")


def test_the_positive_class_by_number() -> None:
    assert make_manifest().positive_index == 1
    assert make_manifest(labels=["toxic", "benign"]).positive_index == 0
    assert make_manifest(positive=None).positive_index is None


# ---- where a new bundle may stand ----


def test_a_new_bundle_may_replace_a_bundle_and_nothing_else(bundle: Path, tmp_path: Path) -> None:
    refuse_as_target(bundle)
    refuse_as_target(tmp_path / "new" / "one")
    (tmp_path / "empty").mkdir()
    refuse_as_target(tmp_path / "empty")
    (bundle / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(BundleError, match=r"holds notes\.txt, which is no part of a bundle; choose another out$"):
        refuse_as_target(bundle)


@pytest.mark.parametrize("names", [["SHA256SUMS"], ["README.md"], ["model.onnx", "tokenizer.json"]])
def test_files_of_a_bundles_names_make_no_bundle(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("", encoding="utf-8")
    with pytest.raises(BundleError, match=r"exists and is not a bundle \(it has no foreshot\.json\); choose another"):
        refuse_as_target(tmp_path)


def test_what_can_be_no_folder_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for path in (tmp_path / "file", tmp_path / "file" / "bundle"):
        with pytest.raises(BundleError, match=r"can't hold a bundle \(Not a directory\); choose another out$"):
            refuse_as_target(path)
    with pytest.raises(BundleError, match=r"can't hold a bundle \(File name too long\)"):
        refuse_as_target(tmp_path / ("x" * 300))


# ---- several labels ----


def test_a_multi_label_bundle_may_have_one_label(tmp_path: Path) -> None:
    for labels in (("hate",), ("hate", "insult")):
        bundle = tiny_bundle(tmp_path / "-".join(labels), decisions=label_decisions(*labels, judged="hate"))
        manifest = read_bundle(bundle).manifest
        assert (manifest.labels, manifest.positive, manifest.positive_index) == (list(labels), "hate", 0)
        assert manifest.classes == ("not hate", "hate")
        assert manifest.deciding == manifest.decisions


def test_a_manifest_of_before_there_were_several_labels_is_of_classes(bundle: Path) -> None:
    manifest = json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))
    del manifest["decisions"], manifest["label_metrics"]
    write_manifest(bundle, json.dumps(manifest))
    found = read_bundle(bundle).manifest
    assert (found.decisions, found.classes, found.deciding) == (None, ("benign", "toxic"), found.decision)
