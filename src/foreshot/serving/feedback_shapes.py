"""The shapes of /v1/feedback: corrections, by the labels of the model that they are about."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator
from pydantic.config import JsonDict

from foreshot.runtime.bundle import Manifest
from foreshot.serving.settings import Limits

VISIBLE = r"^[^\x00]*[^\s\x00-\x20][^\x00]*$"
"""A text without NUL characters, and with something else than white space."""
EITHER: JsonDict = {"oneOf": [{"required": ["labels"]}, {"required": ["scores"]}]}
Named = Annotated[str, Field(max_length=200)]


class Correction(BaseModel):
    """What a text should have got; a field that says so comes with the labels of a model (`make_feedback_request`)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str
    said: Annotated[Named | list[Named] | None, Field(description="The label, or the labels, that it got.")] = None
    id: Annotated[Named | None, Field(description="What the text is called where it came from.")] = None

    @property
    def answer(self) -> dict[str, Any]:
        """What is right, by the name of the field that says so."""
        return self.model_dump(include={"label", "labels", "scores"}, exclude_unset=True)


class SeveralCorrection(Correction):
    """A correction of a model with several labels: all that the text has, or scores of some of them."""

    model_config = ConfigDict(json_schema_extra=EITHER)

    @model_validator(mode="after")
    def _says_it_once(self) -> "SeveralCorrection":
        if len(self.model_fields_set & {"labels", "scores"}) != 1:
            raise ValueError("Give either labels, all that the text has, or scores")
        return self


class FeedbackRequest(BaseModel):
    """Corrections of what one model said."""

    model_config = ConfigDict(extra="forbid", strict=True)

    corrections: list[Correction]
    model: Annotated[str | None, Field(description="Which of the models; the first of them by default.")] = None


class Addressed(BaseModel):
    """Which model a request is about, whatever else it holds."""

    model_config = ConfigDict(strict=True)

    model: str | None = None


class FeedbackResponse(BaseModel):
    """How many corrections are kept, and of which model."""

    kept: int
    model: str


def make_feedback_request(name: str, manifest: Manifest, limits: Limits, *, default: bool) -> type[FeedbackRequest]:
    """The shape of corrections of a model, within a server's limits; the `default` one need not be named."""
    text = Annotated[str, Field(max_length=limits.text_length, pattern=VISIBLE, examples=["you absolute walnut"])]
    base = _of_several(manifest.labels) if manifest.decisions is not None else _of_classes(manifest.labels)
    correction: Any = create_model("Correction", __base__=base, text=(text, ...))
    corrections = Annotated[list[correction], Field(min_length=1, max_length=limits.texts)]
    named: Any = (Literal[name] | None, None) if default else (Literal[name], ...)
    return create_model("Feedback", __base__=FeedbackRequest, corrections=(corrections, ...), model=named)


def _of_classes(labels: list[str]) -> type[Correction]:
    label: Any = Literal[*labels]
    return create_model("ClassCorrection", __base__=Correction, label=(label, ...))


def _of_several(labels: list[str]) -> type[Correction]:
    label: Any = Literal[*labels]
    scores = Annotated[dict[label, Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)]
    return create_model("LabelsCorrection", __base__=SeveralCorrection, labels=(list[label], []), scores=(scores, {}))
