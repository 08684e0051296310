"""What a ready classifier's logits mean, and that they are the same numbers in the data's order."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import CONFIGS, VOCABULARY, logits_of, some_inputs, tiny_classifier, tiny_model_folder
from transformers import AutoModelForSequenceClassification, GPT2Config, GPT2ForSequenceClassification, PreTrainedModel

from foreshot.data.labels import Classes, find_classes
from foreshot.errors import ConfigError, ForeshotError, ModelError
from foreshot.models import encoders
from foreshot.models.classifiers import find_classifier
from foreshot.models.encoders import find_model, load_classifier
from foreshot.models.heads import MULTI_LABEL, REGRESSION, SINGLE_LABEL, Head, match_head, read_head
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.decisions import save_decision

ATTRIBUTES = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
BINARY = find_classes([0, 1], None, source="a.csv")  # written 0 and 1, named benign and toxic
HATE = find_classes(["hate", "non-hate"], None, source="a.csv")  # non-hate, then hate, which is toxic
THREE = find_classes(["hate", "normal", "offensive"] * 2, None, source="a.csv")
UNCLEAR = find_classes(["a", "b"], None, source="a.csv")


# ---- what the logits mean ----


@pytest.mark.parametrize("problem_type", [None, SINGLE_LABEL])
@pytest.mark.parametrize("label", ["toxic", "LABEL_0", "safe"])
def test_one_logit_is_that_of_two_classes(label, problem_type):
    head = read_head([label], problem_type, source="one")
    assert (head.labels, head.rows, head.multi_label) == ((f"not {label}", label), (None, 0), False)
    assert head.announcements == (f"one: its one logit is taken for the log-odds of {label!r}",)


@pytest.mark.parametrize(
    ("labels", "problem_type", "multi_label", "announced"),
    [
        (["benign", "toxic"], None, False, False),
        (["LABEL_0", "LABEL_1"], None, False, False),
        (ATTRIBUTES, MULTI_LABEL, True, False),
        (ATTRIBUTES, SINGLE_LABEL, False, False),
        (["negative", "neutral", "positive"], None, False, True),
        (["hate speech", "offensive language", "neither"], None, False, True),
        (["LABEL_0", "LABEL_1", "LABEL_2"], None, False, True),
        (["toxic"], MULTI_LABEL, True, False),
    ],
)
def test_labels_are_one_of_several_or_several(labels, problem_type, multi_label, announced):
    head = read_head(labels, problem_type, source="some")
    assert (list(head.labels), head.multi_label, head.rows) == (labels, multi_label, tuple(range(len(labels))))
    assert [told[:45] for told in head.announcements] == [
        "some: a text is taken to have one of its 3 lab"[:45]
    ] * announced


@pytest.mark.parametrize(
    "labels",
    [
        ATTRIBUTES,
        ["toxicity", "severe_toxicity", "obscene", "identity_attack", "insult", "threat", "sexual_explicit"],
        ["TOXIC", "SEVERE TOXIC"],
        ["hate speech", "offensive-language", "sexual"],
    ],
)
def test_kinds_of_toxicity_without_a_benign_class_are_asked_about(labels):
    with pytest.raises(
        ConfigError, match=r"no problem_type, and its labels \(.*\) look like .*; say problem_type multi"
    ):
        read_head(labels, None, source="some")


@pytest.mark.parametrize(
    ("labels", "problem_type", "message"),
    [
        (["LABEL_0"], REGRESSION, "its problem_type is regression: .*say so with problem_type single-label"),
        (["a", "b"], REGRESSION, "its problem_type is regression"),
        (["a", "b"], "token_classification", "its problem_type is token_classification; give a classifier of whole"),
        (["a", "a"], None, "two of its labels have the same name"),
        (["a", "a"], MULTI_LABEL, "two of its labels have the same name"),
        ([], None, "it names no label"),
    ],
)
def test_what_is_no_head_of_labels(labels, problem_type, message):
    with pytest.raises(ModelError, match=f"^some: {message}"):
        read_head(labels, problem_type, source="some")


def change_config(folder: Path, **fields: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_labels": 3}, r"names 2 labels \(id2label\) and counts 3"),
        ({"id2label": {"1": "benign", "2": "toxic"}}, "numbers its labels 1, 2; they count from 0"),
        ({"id2label": {"0": "benign", "2": "toxic"}}, "numbers its labels 0, 2; they count from 0"),
        ({"id2label": {}}, "it names no label"),
    ],
)
def test_labels_that_contradict_themselves_are_refused(tmp_path, fields, message):
    change_config(tiny_model_folder(tmp_path / "some"), **fields)
    with pytest.raises(ModelError, match=message):
        find_classifier(str(tmp_path / "some"))


def test_labels_may_be_listed_in_any_order(tmp_path):
    change_config(tiny_model_folder(tmp_path / "some"), id2label={"1": "toxic", "0": "benign"}, num_labels=2)
    assert find_classifier(str(tmp_path / "some")).labels == ["benign", "toxic"]


def test_other_weights_than_config_json_has_labels(tmp_path):
    folder = tiny_model_folder(tmp_path / "some", labels=("a", "b", "c"))
    change_config(folder, id2label={"0": "a", "1": "b"})
    with pytest.raises(ModelError, match=r"its weights are not those of its config\.json, which names 2 labels"):
        load_classifier(find_classifier(str(folder)), ["a", "b"])


def test_the_user_and_a_runs_decision_say_what_config_json_does_not(tmp_path):
    folder = tiny_model_folder(tmp_path / "some", labels=("toxic", "threat"))
    with pytest.raises(ConfigError, match="say problem_type"):
        find_classifier(str(folder))
    assert find_classifier(str(folder), "multi-label").is_multi_label
    assert not find_classifier(str(folder), "single-label").is_multi_label
    assert find_classifier(str(folder), unsaid=MULTI_LABEL).is_multi_label
    with pytest.raises(ConfigError, match="problem_type both: must be single-label or multi-label"):
        find_classifier(str(folder), "both")
    save_decision(Decision(policy="argmax"), folder)
    assert not find_classifier(str(folder)).is_multi_label
    each = dict.fromkeys(("toxic", "threat"), Decision(policy="argmax"))
    save_decision(LabelDecisions(judged="toxic", by_label=each), folder)
    assert find_classifier(str(folder)).is_multi_label


# ---- whose they are ----


def match(labels, classes: Classes, *, names=None, problem_type=SINGLE_LABEL, **given: str) -> Head:
    head = read_head(labels, problem_type, source="some")
    several = names is not None
    return match_head(head, names or classes.names, classes, multi_label=several, given=given, source="some")


def labels_of(labels, head: Head) -> dict[str, str | None]:
    return {name: None if row is None else labels[row] for name, row in zip(head.labels, head.rows, strict=True)}


@pytest.mark.parametrize(
    ("labels", "classes", "given", "taken"),
    [
        (["benign", "toxic"], BINARY, {}, "benign toxic"),
        (["toxic", "benign"], BINARY, {}, "benign toxic"),
        (["neutral", "toxic"], BINARY, {}, "neutral toxic"),
        (["Toxic", "Neutral"], BINARY, {}, "Neutral Toxic"),
        (["HATE", "NON_HATE"], HATE, {}, "NON_HATE HATE"),
        (["Offensive", "Not Offensive"], BINARY, {}, "Not Offensive|Offensive"),
        (["angry", "normal"], HATE, {}, "normal angry"),
        (["offensive", "normal", "hate"], THREE, {}, "hate normal offensive"),
        (["neither", "offensive", "hate"], THREE, {}, "hate neither offensive"),
        (["LABEL_0", "LABEL_1"], BINARY, {}, "LABEL_0 LABEL_1"),
        (["0", "1"], BINARY, {}, "0 1"),
        (["LABEL_0", "LABEL_1"], BINARY, {"toxic": "LABEL_0"}, "LABEL_1 LABEL_0"),
        (["LABEL_0", "LABEL_1"], BINARY, {"1": "label-0"}, "LABEL_1 LABEL_0"),
        (["x", "y"], UNCLEAR, {"a": "y", "b": "x"}, "y x"),
        (["LABEL_0", "LABEL_1", "LABEL_2"], THREE, {"hate": "LABEL_2", "normal": "LABEL_0"}, "LABEL_2 LABEL_0 LABEL_1"),
        (["toxic", "benign"], BINARY, {"toxic": "benign", "benign": "toxic"}, "toxic benign"),  # it was named wrongly
    ],
)
def test_a_teachers_labels_are_matched(labels, classes, given, taken):
    head = match(labels, classes, **given)
    expected = taken.split("|") if "|" in taken else taken.split()
    assert labels_of(labels, head) == dict(zip(classes.names, expected, strict=True))
    guessed = list(labels) != list(classes.names) and len(given) < len(classes.names)
    assert len(head.announcements) == guessed
    for told in head.announcements:
        assert all(f"{label!r} is taken for {name}" in told for name, label in labels_of(labels, head).items())


def test_one_logit_teaches_two_classes():
    assert labels_of(["abusive"], match(["abusive"], BINARY)) == {"benign": None, "toxic": "abusive"}
    assert labels_of(["safe"], match(["safe"], BINARY)) == {"benign": "safe", "toxic": None}
    assert labels_of(["x"], match(["x"], UNCLEAR, b="x")) == {"a": None, "b": "x"}
    assert labels_of(["toxic"], match(["toxic"], BINARY, problem_type=MULTI_LABEL)) == {
        "benign": None,
        "toxic": "toxic",
    }


def test_one_of_a_teachers_several_labels_teaches_two_classes():
    head = match(ATTRIBUTES, BINARY, problem_type=MULTI_LABEL, toxic="insult")
    assert (labels_of(ATTRIBUTES, head), head.multi_label) == ({"benign": None, "toxic": "insult"}, False)
    with pytest.raises(ConfigError, match="name the label of one with teacher_labels: toxic=toxic"):
        match(ATTRIBUTES, BINARY, problem_type=MULTI_LABEL)


@pytest.mark.parametrize(
    ("labels", "names", "given"),
    [
        (["threat", "toxic"], ["toxic", "threat"], {}),
        (ATTRIBUTES, ["insult", "toxic"], {}),
        (["TOXIC", "identity hate", "x"], ["identity_hate", "toxic"], {}),
        (["x", "y", "threat"], ["toxic", "threat"], {"toxic": "y"}),
    ],
)
def test_several_labels_are_taken_by_name_and_others_left_out(labels, names, given):
    head = match(labels, BINARY, names=names, problem_type=MULTI_LABEL, **given)
    folded = {"toxic": "y"} if given else {}
    assert head.multi_label
    assert list(head.labels) == names
    for name, label in labels_of(labels, head).items():
        assert label is not None
        assert label.casefold().replace(" ", "_") == folded.get(name, name)
    assert ("left out" in "".join(head.announcements)) == (len(labels) > len(names))


@pytest.mark.parametrize(
    ("labels", "classes", "given", "message"),
    [
        (["x", "y"], BINARY, {}, "its labels are x, y, the data's benign, toxic; say which is which with teacher_l"),
        (["1", "2"], BINARY, {}, "say which is which"),
        (["benign", "toxic"], UNCLEAR, {}, "say which is which"),
        (["hate", "toxic"], BINARY, {}, "say which is which"),  # benign isn't left over for hate
        (["hate", "normal", "offensive"], BINARY, {}, r"has 3 classes \(hate, normal, offensive\), the data 2"),
        (["benign", "toxic"], THREE, {}, "has 2 classes .*, the data 3"),
        (["x", "y"], BINARY, {"toxic": "z"}, "'z' is no label of some; its labels are x, y"),
        (["x", "y"], BINARY, {"rude": "x"}, "'rude' is none of the data's labels"),
        (["x", "y"], BINARY, {"x": "toxic"}, "'x' is none of the data's labels"),
        (["x", "y"], BINARY, {"toxic": "x", "benign": "x"}, "gives 'x' to toxic and benign"),
        (["x", "y"], BINARY, {"toxic": "x", "1": "y"}, "gives toxic two labels"),
    ],
)
def test_labels_that_can_not_be_matched_are_refused(labels, classes, given, message):
    with pytest.raises(ForeshotError, match=message):
        match(labels, classes, **given)


def test_several_labels_must_all_be_there():
    with pytest.raises(ConfigError, match="its labels are toxic, threat, obscene, the data's toxic, spam; say which"):
        match(["toxic", "threat", "obscene"], BINARY, names=["toxic", "spam"], problem_type=MULTI_LABEL)
    with pytest.raises(ModelError, match="has 1 labels"):
        match(["toxic"], BINARY, names=["toxic", "spam"], problem_type=MULTI_LABEL)
    with pytest.raises(ModelError, match="gives a text one of its labels"):
        match(["toxic", "spam"], BINARY, names=["toxic", "spam"])


# ---- the same numbers, in another order ----


def loaded_as(folder: Path, rows: tuple[int | None, ...]) -> PreTrainedModel:
    names = tuple(f"class {index}" for index in range(len(rows)))
    head = Head(labels=names, multi_label=False, rows=rows)
    return load_classifier(replace(find_model(str(folder)), head=head), names)


@pytest.mark.parametrize("architecture", [*CONFIGS, "gpt2"])
def test_the_logits_are_those_of_the_file_in_the_heads_order(architecture, tmp_path):
    """A head as wide as the encoder too, in which more than one layer has as many outputs as there are labels."""
    for labels, rows in ((3, (2, None, 0, 1)), (16, (3, 15))):
        if architecture == "gpt2":
            torch.manual_seed(0)
            sizes = GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, pad_token_id=0, num_labels=labels)
            model: PreTrainedModel = GPT2ForSequenceClassification(sizes).eval()
        else:
            model = tiny_classifier(architecture, 1, labels=labels)
        model.save_pretrained(tmp_path / "in file")
        before = logits_of(model)
        expected = torch.stack([torch.zeros(3) if row is None else before[:, row] for row in rows], dim=1)
        arranged = loaded_as(tmp_path / "in file", rows)
        assert logits_of(arranged) == pytest.approx(expected, abs=1e-5)
        arranged.save_pretrained(tmp_path / "arranged")
        again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "arranged")
        assert again.config.id2label == {index: f"class {index}" for index in range(len(rows))}
        assert torch.equal(logits_of(again), logits_of(arranged))
        arranged(**some_inputs()).logits.sum().backward()  # it can be trained


def test_a_head_whose_rows_are_not_the_logits_is_refused(tmp_path, monkeypatch):
    folder = tiny_model_folder(tmp_path / "some")
    monkeypatch.setattr(encoders, "_arrange_rows", lambda layer, rows: None)
    with pytest.raises(ModelError, match="a bert's logits are not the rows of a linear layer"):
        loaded_as(folder, (1, 0))


def test_what_is_saved_says_that_a_text_has_one_of_the_classes(tmp_path):
    folder = tiny_model_folder(tmp_path / "several", labels=("toxic", "threat"), multi_label=True)
    loaded_as(folder, (None, 1)).save_pretrained(tmp_path / "one of two")
    assert not find_classifier(str(tmp_path / "one of two")).is_multi_label
