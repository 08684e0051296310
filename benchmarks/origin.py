"""The origin experiment's way of making models and asking them: PyTorch, PEFT and Transformers, as in a notebook.

The loop, the padding, the forward pass and the asking are plain ones: nothing here becomes faster because Foreshot
does. The objectives and the students' first weights are Foreshot's own, so that both ways train the same models.
"""

from collections.abc import Sequence

import numpy as np
import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, get_linear_schedule_with_warmup, pipeline

from foreshot.comparison.inputs import Inputs
from foreshot.models.batches import EncodedRows
from foreshot.models.encoders import load_encoder
from foreshot.models.students import add_lora, keep_layers
from foreshot.settings.experiment import Training
from foreshot.settings.losses import Distillation
from foreshot.settings.recipes import Recipe
from foreshot.training.losses import BatchOutputs, distillation_losses, label_losses
from foreshot.training.seeding import derived_seed, generator, seed_torch

PIPELINE_BATCH = 32

Classifier = PreTrainedModel | PeftModel


def untrained(inputs: Inputs, recipe: Recipe, seed: int, teacher: PreTrainedModel) -> Classifier:
    """A fresh student, the same one for every way of training it."""
    source = teacher if recipe.init == "teacher" else new_classifier(inputs, seed)
    student = keep_layers(source, inputs.layer_maps[recipe.name])
    if recipe.tuning == "full":
        return student
    return add_lora(student, inputs.experiment.lora, seed=derived_seed(seed, "lora"), base_name="")


def new_classifier(inputs: Inputs, seed: int) -> PreTrainedModel:
    """The encoder with a new head."""
    return load_encoder(inputs.origin, inputs.class_names, seed=derived_seed(seed, "head"))


def train_as_origin(
    model: Classifier,
    rows: EncodedRows,
    labels: Sequence[int],
    settings: Training,
    *,
    seed: int,
    teacher: PreTrainedModel | None = None,
    pad_to: int | None = None,
) -> None:
    """Train a model in place by labels, or with the teacher run inside every step.

    Rows come in random order, padded to the longest of the batch or to a number of tokens; AdamW is not fused.
    """
    order = generator(seed, "random order")
    seed_torch(seed, "dropout")
    truth = torch.tensor(labels)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    steps = -(-len(labels) // settings.batch_size) * settings.epochs
    schedule = get_linear_schedule_with_warmup(optimizer, 0, steps)
    model.train()
    if teacher is not None:
        teacher.eval()
    for _ in range(settings.epochs):
        shuffled = order.permutation(len(labels))
        for at in range(0, len(shuffled), settings.batch_size):
            numbers = shuffled[at : at + settings.batch_size]
            inputs = padded(rows, numbers, pad_to)
            own = outputs_of(model, inputs)
            if teacher is None:
                losses = label_losses(own.logits, truth[numbers])
            else:
                with torch.no_grad():
                    taught = outputs_of(teacher, inputs)
                losses = distillation_losses(own, taught, truth[numbers], inputs["attention_mask"], Distillation())
            losses.objective.backward()
            nn.utils.clip_grad_norm_(trained, settings.max_grad_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


def outputs_of(model: nn.Module, inputs: dict[str, torch.Tensor]) -> BatchOutputs:
    """Logits, and the final state of the first token."""
    found = model(**inputs, output_hidden_states=True)
    return BatchOutputs(logits=found.logits, representations=found.hidden_states[-1][:, 0])


def padded(rows: EncodedRows, numbers: np.ndarray, length: int | None) -> dict[str, torch.Tensor]:
    """Model inputs of these rows, padded to a fixed length, or to the longest of them."""
    return dict(
        rows.tokenizer.pad(
            {"input_ids": [rows.ids[row] for row in numbers]},
            padding="longest" if length is None else "max_length",
            max_length=length,
            return_tensors="pt",
        )
    )


class Asked:
    """A trained model in `transformers.pipeline`: 32 texts at a time, as they come; LoRA adapters are merged first."""

    def __init__(self, model: Classifier, tokenizer: PreTrainedTokenizerBase, class_names: Sequence[str]) -> None:
        ordinary = model.merge_and_unload() if isinstance(model, PeftModel) else model
        self._pipeline = pipeline(
            "text-classification",
            model=ordinary.eval(),
            tokenizer=tokenizer,
            device="cpu",
            batch_size=PIPELINE_BATCH,
            top_k=None,
        )
        self._class_names = class_names

    def probabilities(self, texts: Sequence[str], max_length: int) -> np.ndarray:
        """What the model says about each text, (texts, classes)."""
        answers = self._pipeline(list(texts), truncation=True, max_length=max_length)
        by_name = [{one["label"]: one["score"] for one in answer} for answer in answers]
        return np.array([[scores[name] for name in self._class_names] for scores in by_name])
