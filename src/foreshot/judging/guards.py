"""Checks that stop a comparison which would be wrong; each was found missing in public copies of the experiment."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from foreshot.data.split import Split, fold
from foreshot.errors import GuardError
from foreshot.judging.agreement import spearman
from foreshot.judging.multilabel import label_aurocs
from foreshot.models.encoders import head_modules, layer_stack

RELOAD_TOLERANCE = 1e-5
CHANCE = 0.5  # AUROC of scores that know nothing
REMEDY = (
    "train longer, give more rows, or raise the learning rate; of a ready classifier say which of its labels is which "
    "with ⟨teacher_labels⟩"
)


def check_beats_majority(predicted: np.ndarray, labels: np.ndarray, *, model: str) -> None:
    """Stop when a classifier's predictions (rows,) are right no more often than the majority class would be."""
    accuracy = float((predicted == labels).mean())
    majority = float(np.bincount(labels).max() / len(labels))
    if accuracy <= majority:
        raise GuardError(
            f"{model}: gets {accuracy:.1%} of the {len(labels)} validation rows right and does not beat always "
            f"answering the commonest class ({majority:.1%}); {REMEDY}"
        )


def check_ranks_labels(logits: np.ndarray, marks: np.ndarray, *, model: str) -> None:
    """Stop when a multi-label classifier ranks rows by its labels no better than chance does.

    Takes logits and marks (rows, labels). It must have a mean AUROC above one half, over the labels that some rows have
    and some have not. How often it is right would say nothing: where labels are rare, always answering 0 is.
    """
    ranks = np.nan_to_num(logits)  # of a training that blew up
    aurocs = [auroc for auroc in label_aurocs(ranks, marks) if auroc is not None]
    if not np.mean(aurocs) > CHANCE:
        raise GuardError(
            f"{model}: its mean AUROC over {len(aurocs)} labels is {np.mean(aurocs):.3f} on the {len(marks)} "
            f"validation rows, no better than chance ({CHANCE}); {REMEDY}"
        )


def check_ranks_scores(logits: np.ndarray, scores: np.ndarray, *, model: str) -> None:
    """Stop when a model ranks rows by stored scores no better than chance does.

    Takes logits and scores (rows, outputs), NaN for a gap. The mean over the outputs of Spearman's correlation must be
    above 0, over those whose scores differ.
    """
    found = []
    for of_output, stored in zip(np.nan_to_num(logits).T, scores.T, strict=True):
        known = ~np.isnan(stored)
        if len(np.unique(stored[known])) > 1:
            found.append(np.nan_to_num(spearman(of_output[known], stored[known])))
    if not np.mean(found) > 0:
        raise GuardError(
            f"{model}: Spearman's correlation with the stored scores is {np.mean(found):.3f} on the {len(scores)} "
            f"validation rows, no better than chance; {REMEDY}"
        )


def check_layers_equal(student: PreTrainedModel, origin: PreTrainedModel, layer_map: Sequence[int]) -> None:
    """Stop when layer i of an untrained student is not bit-equal to layer `layer_map[i - 1]` of where it comes from."""
    student_layers, origin_layers = layer_stack(student)[1], layer_stack(origin)[1]
    if len(student_layers) != len(layer_map):
        raise GuardError(
            f"student: has {len(student_layers)} layers where its map {list(layer_map)} has {len(layer_map)}"
        )
    for index, number in enumerate(layer_map):
        mapped = origin_layers[number - 1].state_dict()
        for name, tensor in student_layers[index].state_dict().items():
            if name not in mapped or not torch.equal(tensor, mapped[name]):
                raise GuardError(
                    f"student layer {index + 1}: {name} is not equal to layer {number} of the model it was "
                    "copied from; its layer map is wrong"
                )


def check_head_trains(model: nn.Module, head: Sequence[str]) -> None:
    """Stop when no weight of the classification head would be trained."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and any(part in head for part in name.split(".")):
            return
    raise GuardError(
        f"student: its classification head ({', '.join(head)}) would not be trained; the task type or the "
        "modules to save are wrong"
    )


def check_head_kept(saved: PreTrainedModel, trained: PreTrainedModel) -> None:
    """Stop when a weight of the head, loaded again, is not what was trained."""
    for name in head_modules(trained):
        kept = saved.get_submodule(name).state_dict()
        for key, tensor in trained.get_submodule(name).state_dict().items():
            if key not in kept or not torch.equal(kept[key], tensor):
                raise GuardError(f"student: {name}.{key} of its classification head was lost when it was saved")


def check_reload(trained_logits: np.ndarray, saved_logits: np.ndarray, *, folder: Path) -> None:
    """Stop when the saved model's logits (rows, classes) differ from the trained model's by more than 1e-5."""
    difference = float(np.abs(trained_logits - saved_logits).max())
    if not difference <= RELOAD_TOLERANCE:
        raise GuardError(
            f"{folder}: loaded again, the model's logits differ by {difference:.2g} (at most {RELOAD_TOLERANCE:g} "
            "is allowed); what was saved is not what was trained"
        )


def check_parts_apart(split: Split) -> None:
    """Stop when a training text occurs in the validation or test part, after folding case, form and white space."""
    train = {fold(text): row for text, row in zip(split.parts["train"].texts, split.parts["train"].rows, strict=True)}
    for name in sorted(split.parts.keys() - {"train"}, reverse=True):
        for text, row in zip(split.parts[name].texts, split.parts[name].rows, strict=True):
            if (shared := train.get(fold(text))) is not None:
                raise GuardError(f"{name} row {row}: its text is also in the training part (row {shared})")
