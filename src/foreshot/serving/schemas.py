"""The shapes of /v1: what is asked, what is answered, as OpenAPI shows them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from foreshot.results.behaviour import SuiteFacts, SuiteResult
from foreshot.runtime.log_odds import SATURATED_FROM
from foreshot.serving.settings import Limits
from foreshot.settings.recipes import Recipe

NO_NUL = r"^[^\x00]*$"
Route = Literal["allow", "review", "block"]
Checksum = Annotated[str, Field(description="SHA-256 of the bundle's SHA256SUMS, which names every byte of the model.")]


class ClassifyRequest(BaseModel):
    """Texts to classify, how many and how long by the server's limits."""

    model_config = ConfigDict(extra="forbid", strict=True)

    texts: list[str]
    model: Annotated[str | None, Field(description="Which of the models; the first of them by default.")] = None
    explain: Annotated[bool, Field(description="Say what each word does to the score, too.")] = False


def make_classify_request(limits: Limits) -> type[ClassifyRequest]:
    """The shape of a request within a server's limits."""
    text = Annotated[str, Field(max_length=limits.text_length, pattern=NO_NUL)]
    texts = Field(
        min_length=1, max_length=limits.texts, examples=[["you absolute walnut", "Thank you, that was kind."]]
    )
    return create_model("ClassifyRequest", __base__=ClassifyRequest, texts=(Annotated[list[text], texts], ...))


class Band(BaseModel):
    """The probabilities of the positive class for which the decision is the same: from `low` up to `high`."""

    low: float
    high: float


class DecisionBand(Band):
    """A band and its decision."""

    decision: Route


class WordInfluence(BaseModel):
    """What a word does (leave-one-out) to the positive class; without a positive class, to the label.

    `influence` is its probability with the word minus without it, and `log_odds_difference` the same of its log-odds,
    in nats, which still tell words apart where the probability is saturated. `begin` and `end` count code points of the
    text as it was sent; `word` is what the model reads there, without the punctuation around it.
    """

    begin: int
    end: int
    word: str
    influence: float
    log_odds_difference: float


class Result(BaseModel):
    """What a model says of one text."""

    label: Annotated[str, Field(description='Its class; by a multi-label model "X" or "not X", X the judged label.')]
    labels: Annotated[list[str], Field(description="All its labels; by a model of classes the one.")]
    scores: Annotated[dict[str, float], Field(description="The probability of each class, or of each label by itself.")]
    decision: Annotated[Route | None, Field(description="By the bundle's policy; null where no class is toxic.")]
    band: Annotated[Band | None, Field(description="null where the decision goes by the likeliest of several classes.")]
    truncated: Annotated[bool, Field(description="Whether the end of the text was not looked at.")]
    saturated: Annotated[
        bool, Field(description=f"Whether the explained score is beyond {SATURATED_FROM}, or below 1 minus that.")
    ]
    words: Annotated[
        list[WordInfluence] | None, Field(description="With explain: the first words of the request's texts.")
    ]
    model: str
    checksum: Checksum


EXAMPLE: dict[str, Any] = {
    "results": [
        {
            "label": "toxic",
            "labels": ["toxic"],
            "scores": {"benign": 0.06, "toxic": 0.94},
            "decision": "block",
            "band": {"low": 0.62, "high": 1.0},
            "truncated": False,
            "saturated": False,
            "words": None,
            "model": "odd",
            "checksum": "sha256:0c5a58dee5b051d38bdedf531ff3ef17ff8f8ffb6386079f9097dc3cab31a560",
        },
        {
            "label": "benign",
            "labels": ["benign"],
            "scores": {"benign": 0.98, "toxic": 0.02},
            "decision": "allow",
            "band": {"low": 0.0, "high": 0.62},
            "truncated": False,
            "saturated": False,
            "words": None,
            "model": "odd",
            "checksum": "sha256:0c5a58dee5b051d38bdedf531ff3ef17ff8f8ffb6386079f9097dc3cab31a560",
        },
    ]
}


class ClassifyResponse(BaseModel):
    """Results in the order of the texts."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    results: list[Result]


class DecisionRule(BaseModel):
    """How a model's scores become decisions."""

    policy: str
    threshold: float | None
    review_threshold: float | None
    temperature: float


class LabelRule(DecisionRule):
    """How one label of a multi-label model is decided on, and the probabilities that lead to it."""

    bands: list[DecisionBand]


class ModelCard(BaseModel):
    """A model that is served: where it came from, how good it is, and how it behaves.

    With `by_label` it is multi-label: a text can have any of the labels. `positive` is then the judged one, by which
    alone texts are blocked or allowed.
    """

    name: str
    default: bool
    checksum: Checksum
    file: str
    title: str
    labels: list[str]
    positive: str | None
    max_length: int
    recipe: Recipe | dict[str, Any] | None
    layers: int
    layer_map: list[int] | None
    parameters: int
    teacher: str | None
    encoder: str | None
    made_at: str
    verdict: str | None
    verdict_reasons: list[str]
    metrics: dict[str, float | None]
    metrics_rows: int | None
    label_metrics: dict[str, dict[str, float | None]] | None
    suite: SuiteFacts | None
    suite_result: SuiteResult | None
    decision: DecisionRule
    bands: list[DecisionBand]
    by_label: dict[str, LabelRule] | None


class RequestLimits(BaseModel):
    """What one request may hold."""

    texts: int
    text_length: int
    body_bytes: int
    explained_words: int


class ModelsResponse(BaseModel):
    """The models, the default one first, and what a request may hold."""

    models: list[ModelCard]
    limits: RequestLimits
    keys: bool
    feedback: Annotated[bool, Field(description="Whether corrections are taken, and texts kept with them.")]


class Health(BaseModel):
    """Whether the server lives, or is ready."""

    status: str
