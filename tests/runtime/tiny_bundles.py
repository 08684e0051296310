"""A whole bundle of a few kilobytes, made without PyTorch: one rude word makes a short text toxic.

Its model looks up two numbers for each token, takes their mean over the text, and multiplies it by a matrix: a
word of `RUDE` brings (0, 16), any other word (1, 0), and [CLS] and [SEP] nothing. So the logits of a text of
n words, r of them rude, are (n − r, 16 r) / (n + 2), and those of an empty text (0, 0).

With `decisions`, it is multi-label: its label number i, counted from 1, has the logit (16 r − 3 i (n − r)) / (n + 2).
"""

from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from foreshot.data.texts import NORMALISATION
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.bundle import (
    CARD_FILE,
    FORMAT_VERSION,
    MANIFEST_FILE,
    SUMS_FILE,
    TOKENIZER_FILE,
    GraphFacts,
    Manifest,
    Origin,
    Parity,
    SelfTest,
    sums_of,
)

RUDE = ("walnut", "fool", "idiot")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = (*SPECIAL, *RUDE, "you", "are", "an", "absolute", "thank", "kind", "hello", "day")
WORD, RUDE_WORD = (1.0, 0.0), (0.0, 16.0)
SELF_TEST = ("you absolute walnut", "thank you", "")


def tiny_bundle(folder: Path, **overrides: Any) -> Path:
    """Write a bundle into a folder, which is made, and give the folder; `overrides` are fields of its manifest.

    Further labels get a logit of 0. Where `graphs` is given, each of them is the same model.
    """
    manifest = make_manifest(**overrides)
    folder.mkdir(parents=True, exist_ok=True)
    for graph in manifest.graphs:
        (folder / graph.file).write_bytes(make_graph(len(manifest.labels), several=manifest.decisions is not None))
    (folder / TOKENIZER_FILE).write_text(make_tokenizer().to_str(), encoding="utf-8")
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / CARD_FILE).write_text("# A tiny model\n", encoding="utf-8")
    (folder / SUMS_FILE).write_text(sums_of(folder), encoding="ascii")
    return folder


def with_token(folder: Path, token: str, *, special: bool = False) -> Path:
    """A bundle to whose tokenizer somebody added a token, for which the graph has no row; its sums are mended."""
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token])
    tokenizer.save(str(folder / TOKENIZER_FILE))
    (folder / SUMS_FILE).write_text(sums_of(folder), encoding="ascii")
    return folder


def make_manifest(**overrides: Any) -> Manifest:
    """The manifest of a tiny bundle; its self-test's scores are worked out by `probabilities_of`.

    With `decisions` it is a multi-label one, whose self-test's are by `label_probabilities_of`.
    """
    decisions: LabelDecisions | None = overrides.get("decisions")
    if decisions is not None:
        of_judged = {"positive": decisions.judged, "decision": decisions.by_label[decisions.judged]}
        overrides = {"labels": list(decisions.by_label), **of_judged, **overrides}
    labels = overrides.get("labels", ["benign", "toxic"])
    parity = Parity(rows=100, source="made up", largest_difference=1e-6, decisions_equal=1.0)
    graphs = overrides.get("graphs", [GraphFacts(file="model.onnx", opset=17, method="written by hand", parity=parity)])
    values = {
        "format_version": FORMAT_VERSION,
        "name": "tiny",
        "labels": labels,
        "positive": "toxic" if "toxic" in labels else None,
        "max_length": 16,
        "pad_token_id": 0,
        "normalisation": NORMALISATION,
        "decision": Decision(policy="argmax"),
        "graphs": graphs,
        "origin": Origin(model="tiny", architecture="none", layers=0, parameters=2 * len(WORDS), fingerprint="0" * 16),
        "metrics": {"macro_f1": 0.9},
        "self_test": [
            SelfTest(
                text=text,
                scores={
                    graph.file: label_probabilities_of(text, decisions)
                    if decisions
                    else probabilities_of(text, len(labels))
                    for graph in graphs
                },
            )
            for text in SELF_TEST
        ],
        "versions": {"foreshot": "0.1.0"},
        "made_at": "2026-11-24T12:00:00+00:00",
    }
    return Manifest(**{**values, **overrides})


def probabilities_of(text: str, classes: int = 2) -> list[float]:
    """The probability of each class, by the formula in this module's head; for plain words, and no more than 14."""
    words = text.lower().split()
    rude = sum(word in RUDE for word in words)
    logits = np.zeros(classes)
    logits[:2] = np.array([len(words) - rude, 16 * rude]) / (len(words) + 2)
    powers = np.exp(logits)
    return (powers / powers.sum()).tolist()


def label_decisions(*labels: str, judged: str = "toxic", **by_label: Decision) -> LabelDecisions:
    """Decisions of these labels, argmax but for those that are given."""
    return LabelDecisions(
        judged=judged, by_label={label: by_label.get(label, Decision(policy="argmax")) for label in labels}
    )


def label_probabilities_of(text: str, decisions: LabelDecisions) -> list[float]:
    """The probability of each label, by the formula in this module's head and the sigmoid's; for plain words."""
    words = text.lower().split()
    rude = sum(word in RUDE for word in words)
    logits = [
        (16 * rude - 3 * number * (len(words) - rude)) / (len(words) + 2)
        for number in range(1, 1 + len(decisions.by_label))
    ]
    temperatures = [decision.temperature for decision in decisions.by_label.values()]
    return [1 / (1 + exp(-logit / temperature)) for logit, temperature in zip(logits, temperatures, strict=True)]


def make_tokenizer() -> Tokenizer:
    """Words, lower-cased, between [CLS] and [SEP]."""
    numbers = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(word, numbers[word]) for word in ("[CLS]", "[SEP]")]
    )
    return tokenizer


def make_graph(classes: int = 2, *, several: bool = False) -> bytes:
    """An ONNX graph of `classes` logits, with any number of rows and tokens; `several` are labels, not classes."""
    embedding = np.array([RUDE_WORD if word in RUDE else WORD for word in WORDS], dtype=np.float32)
    embedding[[WORDS.index(word) for word in ("[PAD]", "[CLS]", "[SEP]")]] = 0
    head = np.array([[-3 * number, 1] for number in range(1, 1 + classes)]).T if several else np.eye(2, classes)
    constants = {
        "embedding": embedding,
        "head": head.astype(np.float32),
        "last_axis": np.array([2], dtype=np.int64),
        "token_axis": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["embedding", "input_ids"], ["tokens"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last_axis"], ["wide_mask"]),
        helper.make_node("Mul", ["tokens", "wide_mask"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "token_axis"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "token_axis"], ["length"], keepdims=1),
        helper.make_node("Div", ["sum", "length"], ["mean"]),
        helper.make_node("MatMul", ["mean", "head"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs=[
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        outputs=[helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])],
        initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()
