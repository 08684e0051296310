"""Each guard fires on the slip that it is there for, and stays silent when all is right."""

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from tiny_models import logits_of, tiny_classifier
from transformers import AutoModelForSequenceClassification

from foreshot.data.labels import Classes
from foreshot.data.split import Part, Split
from foreshot.errors import GuardError
from foreshot.judging import guards
from foreshot.models.encoders import head_modules
from foreshot.models.students import add_lora, keep_layers, merge
from foreshot.settings.recipes import Lora


@pytest.mark.parametrize(
    ("predicted", "fires"),
    [
        ([0, 0, 0, 0, 0], True),  # the majority class itself
        ([1, 0, 0, 1, 0], True),  # as good as that, by other answers
        ([1, 1, 1, 1, 1], True),
        ([0, 0, 0, 1, 0], False),
    ],
)
def test_a_teacher_must_beat_the_majority_class(predicted, fires):
    labels = np.array([0, 0, 0, 1, 1])
    if not fires:
        guards.check_beats_majority(np.array(predicted), labels, model="teacher")
        return
    with pytest.raises(GuardError, match=r"teacher: .* does not beat .*\(60\.0%\)"):
        guards.check_beats_majority(np.array(predicted), labels, model="teacher")


def test_the_majority_may_be_any_class():
    labels = np.array([2, 2, 2, 0, 1])
    guards.check_beats_majority(np.array([2, 2, 2, 0, 0]), labels, model="teacher")
    with pytest.raises(GuardError):
        guards.check_beats_majority(np.array([2, 2, 2, 1, 0]), labels, model="teacher")


def test_equal_layers_pass():
    teacher = tiny_classifier("bert", 6)
    for numbers in ((1, 3, 5), (2, 4, 6), (6,), (1, 2, 3, 4, 5, 6)):
        guards.check_layers_equal(keep_layers(teacher, numbers), teacher, numbers)


@pytest.mark.parametrize(
    ("copied", "named"),
    [
        ((1, 3, 5), (2, 4, 6)),  # teacher[2 * i] called "even"
        ((6, 2, 4), (2, 4, 6)),  # teacher[2 * i - 1], which begins at -1
        ((1, 2, 3), (1, 3, 5)),  # the first ones, whatever was asked for
        ((1, 3, 6), (1, 3, 5)),
    ],
)
def test_a_layer_map_that_is_off_is_found(copied, named):
    teacher = tiny_classifier("bert", 6)
    first = next(index for index, (one, other) in enumerate(zip(copied, named, strict=True)) if one != other)
    with pytest.raises(GuardError, match=rf"student layer {first + 1}: .* not equal to layer {named[first]} of"):
        guards.check_layers_equal(keep_layers(teacher, copied), teacher, named)


def test_layers_of_another_number_are_found():
    teacher = tiny_classifier("bert", 6)
    with pytest.raises(GuardError, match=r"has 3 layers where its map \[1, 3\] has 2"):
        guards.check_layers_equal(keep_layers(teacher, (1, 3, 5)), teacher, (1, 3))


def test_one_bit_in_the_last_layer_is_found():
    teacher = tiny_classifier("bert", 6)
    student = keep_layers(teacher, (1, 3, 5))
    with torch.no_grad():
        bias = student.bert.encoder.layer[2].output.dense.bias
        bias[-1] = torch.nextafter(bias[-1], torch.tensor(9.0))
    with pytest.raises(GuardError, match=r"student layer 3: output\.dense\.bias"):
        guards.check_layers_equal(student, teacher, (1, 3, 5))


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "deberta-v2", "modernbert"])
def test_a_head_that_trains_passes_and_a_frozen_one_is_found(architecture):
    model = tiny_classifier(architecture, 2)
    head = head_modules(model)
    guards.check_head_trains(model, head)
    for name in head:
        model.get_submodule(name).requires_grad_(False)
    with pytest.raises(GuardError, match="would not be trained"):
        guards.check_head_trains(model, head)


def adapted_for_another_task(model) -> PeftModel:
    """LoRA with the task type of public copies of the experiment: the head is frozen, and not saved."""
    settings = LoraConfig(task_type=TaskType.FEATURE_EXTRACTION, target_modules=["query", "value"])
    return get_peft_model(model, settings)


def test_lora_of_the_wrong_task_type_is_found():
    model = tiny_classifier("bert", 2)
    head = head_modules(model)
    guards.check_head_trains(add_lora(tiny_classifier("bert", 2), Lora(), seed=0, base_name="base"), head)
    with pytest.raises(GuardError, match=r"head \(classifier\) would not be trained"):
        guards.check_head_trains(adapted_for_another_task(model), head)


def train_a_little(model) -> None:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)


def saved_and_loaded(adapted, folder):
    adapted.save_pretrained(folder)
    return PeftModel.from_pretrained(tiny_classifier("bert", 2), folder)


@pytest.mark.filterwarnings("ignore")
def test_a_head_that_is_saved_passes(tmp_path):
    adapted = add_lora(tiny_classifier("bert", 2), Lora(rank=2), seed=0, base_name="base")
    train_a_little(adapted)
    loaded = saved_and_loaded(adapted, tmp_path)
    guards.check_head_kept(merge(loaded), merge(adapted))
    guards.check_reload(logits_of(adapted).numpy(), logits_of(loaded).numpy(), folder=tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_a_head_that_is_lost_with_the_adapter_is_found(tmp_path):
    adapted = adapted_for_another_task(tiny_classifier("bert", 2))
    adapted.base_model.model.classifier.requires_grad_(True)  # trained all the same
    train_a_little(adapted)
    loaded = saved_and_loaded(adapted, tmp_path)
    with pytest.raises(GuardError, match=r"classifier\.(weight|bias) of its classification head was lost"):
        guards.check_head_kept(merge(loaded), merge(adapted))
    with pytest.raises(GuardError, match="loaded again, the model's logits differ"):
        guards.check_reload(logits_of(adapted).numpy(), logits_of(loaded).numpy(), folder=tmp_path)


def test_a_head_lost_from_a_plain_model_is_found(tmp_path):
    model = tiny_classifier("roberta", 2)
    model.save_pretrained(tmp_path / "whole")
    guards.check_head_kept(AutoModelForSequenceClassification.from_pretrained(tmp_path / "whole"), model)
    model.base_model.save_pretrained(tmp_path / "headless")
    with pytest.raises(GuardError, match=r"classifier\.\S+ of its classification head was lost"):
        guards.check_head_kept(AutoModelForSequenceClassification.from_pretrained(tmp_path / "headless"), model)


@pytest.mark.parametrize(
    ("difference", "fires"), [(0.0, False), (0.9e-5, False), (2e-5, True), (-2e-5, True), (float("nan"), True)]
)
def test_reloaded_logits_may_differ_by_1e_5(tmp_path, difference, fires):
    trained = np.array([[0.25, -0.5], [0.0, 0.0]])
    saved = trained + np.array([[0.0, 0.0], [0.0, difference]])
    if not fires:
        guards.check_reload(trained, saved, folder=tmp_path)
        return
    with pytest.raises(GuardError, match=f"{tmp_path}: loaded again, the model's logits differ"):
        guards.check_reload(trained, saved, folder=tmp_path)


def split_of(train, validation, test) -> Split:
    def part(texts: list[str], first_row: int) -> Part:
        return Part("a.csv", texts, [0] * len(texts), list(range(first_row, first_row + len(texts))))

    return Split(
        parts={"train": part(train, 2), "validation": part(validation, 20), "test": part(test, 30)},
        classes=Classes(("benign", "toxic"), 1, {}, ()),
        duplicates_removed={},
        label_conflicts=0,
        skipped_rows=0,
        text_column="text",
        label_column="label",
        announcements=(),
    )


def test_parts_apart_pass():
    guards.check_parts_apart(split_of(["a", "b"], ["c"], ["d", "c"]))


@pytest.mark.parametrize(
    "shared",
    ["Straße, you fool", "  STRASSE,\u00a0you\n\nfool ", "ｓtrasse, you fool", "stra\u200bsse, you fool"],
)
def test_a_text_that_training_and_test_share_is_found(shared):
    with pytest.raises(GuardError, match=r"test row 31: its text is also in the training part \(row 3\)"):
        guards.check_parts_apart(split_of(["a", "strasse, you fool"], ["c"], ["d", shared]))
    with pytest.raises(GuardError, match=r"validation row 20: its text is also in the training part \(row 2\)"):
        guards.check_parts_apart(split_of([shared], ["strasse, you fool"], ["d"]))
