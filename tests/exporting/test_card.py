"""The model card: metadata that the hub accepts, figures with the behaviour beside them, and inert texts."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from results_factory import HOSTILE

import foreshot
from foreshot.errors import ConfigError
from foreshot.exporting.card import LONGEST_NAME, Told, card
from foreshot.reporting.texts import shortened, visible
from foreshot.results.base import Estimate
from foreshot.results.behaviour import CellResult, SuiteFacts, SuiteResult
from foreshot.results.decisions import Decision
from foreshot.runtime.bundle import (
    Attempt,
    ChangedTexts,
    GraphFacts,
    Manifest,
    Origin,
    Parity,
    TrimmedVocabulary,
)
from runtime.tiny_bundles import label_decisions, label_probabilities_of, make_manifest, tiny_bundle


def estimate(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.1, high=value + 0.1)


def make_suite(benign: str = "benign", toxic: str = "toxic", kinds: tuple[str, ...] = ("banter", "threats")) -> dict:
    cells = [
        CellResult(name=kind, label=toxic, cases=10 + number, accuracy=estimate(0.2 + number / 20))
        for number, kind in enumerate(kinds)
    ]
    return {
        "suite": SuiteFacts(name="builtin", cases=50, class_counts={benign: 20, toxic: 30}, pairs=7, fingerprint="f"),
        "suite_result": SuiteResult(
            model="model.onnx",
            accuracy=estimate(0.61),
            by_label={benign: estimate(0.83), toxic: estimate(0.47)},
            functionalities=cells,
            groups=[],
            pairs_right=estimate(0.35),
        ),
    }


def make_origin(**overrides: object) -> Origin:
    """A student of a run."""
    values = {
        "model": "runs/first/students/odd/seed-0",
        "architecture": "bert",
        "layers": 3,
        "parameters": 17_390_594,
        "fingerprint": "a" * 16,
        "run": "first",
        "recipe": {"name": "odd", "layers": "odd", "tuning": "full", "objective": "distil", "init": "teacher"},
        "layer_map": [1, 3, 5],
        "seed": 0,
        "teacher": "first/teacher",
        "encoder": "google-bert/bert-base-uncased",
        "data": "comments.csv",
        "data_fingerprint": "b" * 16,
        "training_rows": 6000,
        "verdict": "recommended",
        "verdict_reasons": ("macro-F1 −0.7 points against the teacher's", "3 seeds"),
    }
    return Origin(**{**values, **overrides})


def student(**overrides: object) -> Manifest:
    values = {"origin": make_origin(), "metrics": {"accuracy": 0.95, "macro_f1": 0.9154, "auroc": None}}
    return make_manifest(**{**values, **make_suite(), "metrics_rows": 2457, **overrides})


def metadata_of(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


def words_of(text: str) -> str:
    """What a reader sees of the card: the texts of all paragraphs and cells, one a line."""
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(ModelCard(text).text)
    return "\n".join("".join(part.content for part in token.children) for token in tokens if token.type == "inline")


def test_the_metadata_are_those_that_the_hub_reads():
    text = card(student())
    metadata = metadata_of(text)
    assert metadata["pipeline_tag"] == "text-classification"
    assert metadata["library_name"] == "onnxruntime"
    assert metadata["base_model"] == "google-bert/bert-base-uncased"
    assert "distillation" in metadata["tags"]
    assert not {"language", "license"} & metadata.keys()
    read = ModelCard(text).data
    assert read.model_name == "first: odd, seed 0"
    assert [(found.dataset_name, found.metric_type, found.metric_value) for found in read.eval_results] == [
        ("comments.csv", "accuracy", 0.95),
        ("comments.csv", "f1", 0.9154),
        ("behavioural suite builtin", "accuracy", 0.61),
        ("behavioural suite builtin", "accuracy", 0.83),
        ("behavioural suite builtin", "accuracy", 0.47),
    ]


@pytest.mark.parametrize("encoder", ["demo", "/models/bert", "../models/bert", "a/b/c", "x/y\nlicense: mit", None])
def test_what_is_no_id_of_the_hub_is_no_base_model(encoder):
    assert "base_model" not in metadata_of(card(student(origin=make_origin(encoder=encoder))))


def test_a_model_of_no_run_is_its_own_base():
    origin = Origin(model="org/model", architecture="bert", layers=6, parameters=10, fingerprint="a")
    text = card(make_manifest(name="org/model", origin=origin, metrics={}))
    assert metadata_of(text)["base_model"] == "org/model"
    assert "model-index" not in metadata_of(text)
    assert "this model was not compared with a teacher" in words_of(text)
    assert "No test metrics are known." in words_of(text)


def test_figures_stand_beside_the_behaviour():
    words = words_of(card(student()))
    for line in ("accuracy\n0.950", "macro-F1\n0.915", "On 2,457 test rows", "all cases\n50\n61%\n51–71%"):
        assert line in words
    assert "benign\n20\n83%\n73–93%\ntoxic\n30\n47%" in words
    assert "banter\ntoxic\n10\n20%\n10–30%\nthreats\ntoxic\n11\n25%" in words
    assert "kept layers of the teacher\n1, 3, 5" in words
    assert "17.4 M parameters" in words
    assert "training rows\n6,000" in words
    assert "AUROC" not in words


def test_the_weakest_functionalities_come_first_and_are_few():
    kinds = tuple(f"kind {number:02}" for number in range(12, 0, -1))
    words = words_of(card(student(**make_suite(kinds=kinds))))
    assert re.findall(r"kind \d\d", words) == [f"kind {number:02}" for number in range(12, 4, -1)]


def test_a_trimmed_vocabulary_tells_what_it_changes():
    changed = (
        ChangedTexts(source="the suite's cases", texts=1_200, other_tokens=0, other_decisions=0),
        ChangedTexts(source="the run's test rows", texts=2_000, other_tokens=342, other_decisions=3),
    )
    trimmed = TrimmedVocabulary(
        pieces=17_805, pieces_before=30_522, least_rows=5, source="the run's training rows", changed=changed
    )
    words = words_of(card(student(vocabulary=trimmed)))
    assert (
        "Its tokenizer keeps 17,805 of 30,522 word pieces: those that go are in fewer than 5 of the run's training "
        "rows and in no case of the suite"
    ) in words
    assert "the suite's cases\n1,200\n0 (0%)\n0 (0.00%)\nthe run's test rows\n2,000\n342 (17%)\n3 (0.15%)" in words
    once = trimmed.model_copy(update={"least_rows": 1})
    assert "those that go are in none of the run's training rows" in words_of(card(student(vocabulary=once)))
    assert "The vocabulary" not in words_of(card(student()))


def test_without_a_suite_it_says_so():
    words = words_of(card(student(suite=None, suite_result=None)))
    assert "Its behaviour is not known: it was asked no suite." in words
    assert "Its behaviour is not known" not in words_of(card(student()))


@pytest.mark.parametrize(
    ("verdict", "warned"),
    [
        ("recommended", False),
        ("acceptable", False),
        ("not recommended", True),
        ("conflict", True),
        ("inconclusive", True),
    ],
)
def test_a_student_that_was_not_recommended_is_warned_of(verdict, warned):
    words = words_of(card(student(origin=make_origin(verdict=verdict))))
    assert ("WARNING: this model was not recommended" in words) is warned
    assert f"concluded about this one: {verdict}." in words
    assert "macro-F1 −0.7 points against the teacher's\n3 seeds" in words


def test_the_teacher_has_no_verdict():
    origin = make_origin(recipe=None, layer_map=None, verdict=None, verdict_reasons=())
    assert "This is the teacher of its run" in words_of(card(student(origin=origin)))


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (Decision(policy="argmax"), ["softmax of the logits.", "A text labelled toxic is to be blocked"]),
        (Decision(policy="argmax", temperature=1.5), ["a temperature of 1.500"]),
        (Decision(policy="best-f1", threshold=0.4), ["at least 0.400 is to be blocked", "the best F1"]),
        (
            Decision(policy="recall>=0.9", threshold=0.25, met=False),
            ["at least 90.0% of the toxic rows are caught", "NO threshold kept this promise"],
        ),
        (
            Decision(policy="review:recall>=0.95,fpr<=0.02", threshold=0.8, review_threshold=0.3),
            [
                "at least 0.800 is to be blocked",
                "From 0.300 up to there a person should look",
                "at most 2.0% of the other",
            ],
        ),
    ],
)
def test_decisions_are_told_in_words(decision, said):
    words = words_of(card(student(decision=decision)))
    for sentence in said:
        assert sentence in words


def test_graphs_and_refused_settings_are_told():
    parity = Parity(
        rows=4150,
        source="the run's validation rows",
        largest_difference=0.075,
        decisions_equal=0.9971,
        suite_cases=2150,
        suite_change=0.0033,
        worst_functionality=("insults (toxic)", -0.026),
    )
    graph = GraphFacts(file="model.int8.onnx", opset=23, method="8 bits", parity=parity)
    refused = (Attempt(method="fewer bits", complaint="23 of 4,150 decisions differ"),)
    words = words_of(card(student(graphs=[graph], refused=refused)))
    assert "model.int8.onnx\n8 bits\n23\n99.71%\n4,150 texts: the run's validation rows and the suite's 2,150" in words
    assert "7.5e-02\n+0.3 points\n−2.6 points, insults (toxic)" in words
    assert "fewer bits: 23 of 4,150 decisions differ" in words


HOSTILE_LINES = (*HOSTILE[:-1], "---\nlicense: mit\n---\n# title", "a\n\n```\n<b>", "# title", "![x](y)")


@pytest.mark.parametrize("text", HOSTILE_LINES)
def test_texts_of_strangers_do_nothing(text):
    """An independent parser finds the same elements in the card as in that of a harmless name."""
    shown, plain = card(hostile(text)), card(hostile("harmless"))
    assert shape(shown) == shape(plain)
    assert words_of(shown).count(visible(text)) >= 10
    assert metadata_of(shown).keys() == metadata_of(plain).keys()
    assert ModelCard(shown).data.eval_results[0].dataset_name == shortened(text, LONGEST_NAME)
    assert all(char.isprintable() or char == "\n" for char in shown.replace("\u200d", ""))


def hostile(text: str) -> Manifest:
    """A student whose every text is the given one."""
    labels = [text, f"{text} toxic"]
    parity = Parity(
        rows=1,
        source=text,
        largest_difference=0,
        decisions_equal=1,
        suite_cases=1,
        suite_change=0,
        worst_functionality=(text, 0),
    )
    graph = GraphFacts(file="model.onnx", opset=23, method=text, parity=parity)
    origin = make_origin(
        **dict.fromkeys(("model", "architecture", "run", "teacher", "encoder", "data", "verdict"), text),
        recipe={"name": text, text: text},
        verdict_reasons=(text,),
    )
    return student(
        name=text,
        labels=labels,
        positive=labels[1],
        decision=Decision(policy="best-f1", threshold=0.5),
        graphs=[graph],
        refused=(Attempt(method=text, complaint=text),),
        origin=origin,
        normalisation=text,
        metrics={"accuracy": 0.5, text: 0.5},
        **make_suite(*labels, kinds=(text,)),
        self_test=[],
        versions={text: text},
        made_at=text,
    )


def shape(text: str) -> list[str]:
    """The elements of a card in their order, those within paragraphs too, without their texts."""
    found = []
    for token in MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(ModelCard(text).text):
        found.append(token.type)
        found += [part.type for part in token.children or [] if part.type not in ("text", "text_special", "softbreak")]
    return found


def test_the_script_in_the_card_gives_the_scores(tmp_path):
    """It is taken from the card and run as it stands, in the bundle's folder."""
    bundle = tiny_bundle(tmp_path / "bundle", decision=Decision(policy="argmax", temperature=1.5))
    text = card(make_manifest(decision=Decision(policy="argmax", temperature=1.5)))
    scripts = [token.content for token in MarkdownIt().parse(ModelCard(text).text) if token.type == "fence"]
    script = next(script for script in scripts if "onnxruntime" in script)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], cwd=bundle, capture_output=True, text=True, check=True
    )
    (expected,) = foreshot.load(bundle)("you absolute walnut")
    assert ast.literal_eval(done.stdout) == pytest.approx(expected.scores, abs=1e-6)


def test_the_python_in_the_card_runs(tmp_path: Path):
    tiny_bundle(tmp_path / "bundle")
    text = card(make_manifest())
    scripts = [token.content for token in MarkdownIt().parse(ModelCard(text).text) if token.type == "fence"]
    script = next(script for script in scripts if "foreshot.load" in script)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["toxic", "benign"]


# ---- several labels ----

SEVERAL = label_decisions(
    *("toxic", "insult", "threat"),
    insult=Decision(policy="best-f1", threshold=0.7, temperature=1.5),
    threat=Decision(policy="review:recall>=0.9,fpr<=0.05", threshold=0.8, review_threshold=0.3, met=False),
)


def test_a_multi_label_model_is_described_label_by_label():
    figures = {"toxic": {"auroc": 0.9512, "f1": 0.7}, "insult": {"auroc": None, "f1": 0.5}, "threat": {}}
    words = words_of(card(student(decisions=SEVERAL, label_metrics=figures)))
    for line in (
        "Its labels, of which a text can have any: toxic, insult, threat.",
        "macro-F1 (mean over the labels)\n0.915",
        "accuracy (toxic)\n0.950",
        "label\nAUROC\nF1\ntoxic\n0.951\n0.700\ninsult\n–\n0.500\nthreat\n–\n–",
        "The scores of a text don't add up to 1.",
        "One label alone, toxic, decides what is blocked and what allowed",
        "toxic\nargmax\nabove 0.500\n1.000",
        "insult\nbest-f1\n0.700\n1.500",
        "review from 0.300, block from 0.800 (its promise was not kept)",
    ):
        assert line in words
    assert "softmax" not in words
    assert not any(word in words_of(card(student())) for word in ("of which a text can have", "One label alone"))


def test_the_judged_labels_thresholds_are_told_in_words():
    review = {"policy": "review:recall>=0.9,fpr<=0.05", "threshold": 0.8, "review_threshold": 0.3}
    for decision, line in (
        (Decision(**review), "From 0.300 up to there a person should look."),
        (Decision(policy="best-f1", threshold=0.7), "Anything lower is allowed, without this label."),
    ):
        words = words_of(card(student(decisions=label_decisions("toxic", "insult", toxic=decision))))
        assert f"A text whose score for toxic is at least {decision.threshold:.3f} is to be blocked." in words
        assert line in words


@pytest.mark.parametrize("text", HOSTILE_LINES)
def test_labels_of_strangers_do_nothing(text):
    def of(label: str) -> str:
        decisions = label_decisions(label, "insult", judged=label)
        figures = {label: {label: 0.5}, "insult": {label: 0.5}}
        return card(student(decisions=decisions, label_metrics=figures, **make_suite(f"not {label}", label)))

    assert shape(of(text)) == shape(of("harmless"))
    assert words_of(of(text)).count(shortened(text, LONGEST_NAME)) >= 7


def test_the_scripts_in_a_multi_label_card_run(tmp_path):
    bundle = tiny_bundle(tmp_path / "bundle", decisions=SEVERAL)
    scripts = [token.content for token in MarkdownIt().parse(ModelCard(card(make_manifest(decisions=SEVERAL))).text)]
    alone = next(script for script in scripts if "import numpy, onnxruntime" in script)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", alone], cwd=bundle, capture_output=True, text=True, check=True
    )
    expected = dict(zip(SEVERAL.by_label, label_probabilities_of("you absolute walnut", SEVERAL), strict=True))
    assert ast.literal_eval(done.stdout) == pytest.approx(expected, abs=1e-6)
    ours = next(script for script in scripts if "import foreshot" in script)
    done = subprocess.run([sys.executable, "-c", ours], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line.partition(" {")[0] for line in done.stdout.splitlines()] == ["('toxic', 'threat')", "()"]


def test_what_the_publisher_tells_stands_first_and_nobody_is_asked_for_it():
    told = Told(language="en", licence="cc-by-4.0", about="**A first pass.**\n\n- English *only*")
    found = card(make_manifest(), told)
    metadata = ModelCard(found).data
    assert (metadata.language, metadata.license) == ("en", "cc-by-4.0")
    told_at = found.index("**A first pass.**\n\n- English *only*\n")
    assert found.index("# ") < told_at < found.index("## The verdict")
    assert "fill in" not in found


@pytest.mark.parametrize(
    ("told", "unknown"),
    [(Told(), "`language` and `license`"), (Told(language="en"), "`license`"), (Told(licence="mit"), "`language`")],
)
def test_what_nobody_told_is_to_be_filled_in(told, unknown):
    assert f"**Before you publish it, fill in its {unknown} at the top of this file:**" in card(make_manifest(), told)


@pytest.mark.parametrize("value", ["", "cc by", "en\nlicense: mit", "[mit]"])
def test_a_name_that_the_hub_would_not_know_is_refused(value):
    with pytest.raises(ConfigError, match="licence"):
        Told(licence=value)
