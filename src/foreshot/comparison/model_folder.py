"""A trained model's folder: weights, tokenizer, and the record of its training."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from foreshot.files.atomic import write_atomically
from foreshot.files.stages import read_record
from foreshot.results.models import TrainingFacts
from foreshot.training.loop import History

RECORD_FILE = "training.json"
CURVES_FILE = "curves.jsonl"
METRICS_FILE = "metrics.json"
ADAPTER_FOLDER = "adapter"


class TrainingRecord(BaseModel):
    """How the model in a folder came to be; `facts` and the times are None for a teacher that was given."""

    model_config = ConfigDict(frozen=True)

    facts: TrainingFacts | None = None
    trained_parameters: int = 0
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory: float | None = None

    def save(self, folder: Path) -> None:
        """Write the record into the model's folder."""
        write_atomically(folder / RECORD_FILE, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "TrainingRecord":
        """The record in a model's folder."""
        return read_record(folder / RECORD_FILE, cls)


def save_classifier(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write an ordinary Hugging Face model folder."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_curves(history: History, folder: Path) -> None:
    """Write the losses of every step, a JSON object a line."""
    names = list(history.losses)
    steps = zip(*(history.losses[name].tolist() for name in names), strict=True)
    lines = [
        json.dumps({"step": step, **dict(zip(names, values, strict=True))}) for step, values in enumerate(steps, 1)
    ]
    write_atomically(folder / CURVES_FILE, "\n".join(lines) + "\n")
