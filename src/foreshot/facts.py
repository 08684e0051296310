"""Facts: what judging finds, group by group, as `results.json` holds it and as other parts pass it on."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Facts(BaseModel):
    """A frozen group of findings that refuses names it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Facts):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class Decision(Facts):
    """How a model's logits become decisions, fitted on validation rows; it travels with the model.

    Logits are divided by `temperature` and made probabilities. `threshold` is the least probability of the
    positive class that counts as positive (None: the likeliest class is taken); from `review_threshold` up to it
    a person looks (None: nobody does). `met` is False where no threshold keeps the policy's promise on the
    validation rows; then the one that comes nearest is taken.
    """

    policy: str
    temperature: float = 1.0
    threshold: float | None = None
    review_threshold: float | None = None
    met: bool = True


class LabelDecisions(Facts):
    """How a multi-label model decides: each label by itself, from the sigmoid of its own logit.

    `by_label` stands in the order of the logits. `judged` is the label that suites, probes and verdicts look at.
    """

    judged: str
    by_label: dict[str, Decision]

    @property
    def judged_index(self) -> int:
        """The number of the judged label's logit."""
        return list(self.by_label).index(self.judged)


class ReliabilityBin(Facts):
    """Rows whose confidence lies in one tenth: how many, their mean confidence and how often they were right."""

    rows: int
    confidence: float
    accuracy: float


class Calibration(Facts):
    """How far scores can be read as probabilities, on the test rows (`judging.calibration.calibration`)."""

    expected_calibration_error: float
    brier: float
    bins: list[ReliabilityBin]


class PolicyResult(Facts):
    """One policy's thresholds, fitted on validation rows, and what they do on the test rows (shares of 0 to 1)."""

    decision: Decision
    macro_f1: float
    precision: float
    recall: float
    false_positive_rate: float
    review_share: float


class Case(Facts):
    """A behavioural test case; `label` is the class that the text must get.

    `pair` names a toxic case and its benign twin; cases of one `template` differ by a slot's filler alone, so
    they are one unit where intervals are computed; `group` is whom the text is about.
    """

    text: str
    label: str
    functionality: str
    group: str | None = None
    pair: str | None = None
    template: str | None = None
    note: str | None = None


class SuiteFacts(Facts):
    """The suite that every model answered."""

    name: str
    cases: int
    class_counts: dict[str, int]
    pairs: int
    fingerprint: str


class CellResult(Facts):
    """Cases of one kind, what share of them a model gets right (mean over seeds), and the change from the teacher.

    `name` is a functionality or a group; the interval of `accuracy` is Wilson's for this number of cases, that of
    `minus_teacher` a paired bootstrap's. `adjusted_p`, of that difference, is Holm's over all functionalities, or
    groups, of the model. Both are None for the teacher.
    """

    name: str
    label: str
    cases: int
    accuracy: Estimate
    minus_teacher: Estimate | None = None
    adjusted_p: float | None = None


class EvasionResult(Facts):
    """Toxic test rows that a model flags, rewritten by one perturbation: what share of them escapes (over seeds)."""

    perturbation: str
    rows: int
    escaped: Estimate


class SuiteResult(Facts):
    """What one model does on the suite, over its seeds. `by_label` has a class's accuracy under its name."""

    model: str
    accuracy: Estimate
    by_label: dict[str, Estimate]
    functionalities: list[CellResult]
    groups: list[CellResult]
    pairs_right: Estimate | None  # share of contrast pairs with both cases right


class IdentityGroup(Facts):
    """An identity group: the test rows that mention it, by label.

    `too_few` has the AUCs of it that are not known, with the rows that are too few: "3 negative mentioning it".
    """

    name: str
    positive: int
    negative: int
    too_few: dict[str, list[str]]  # by AUC (`judging.identity_bias.AUCS`)


class ComparedScore(Facts):
    """A number of a model, the mean over its seeds, and the change from the teacher.

    Intervals are a paired bootstrap's over rows or texts; `adjusted_p`, of the change, is Holm's over all numbers of
    its kind. Both are None for the teacher.
    """

    value: Estimate
    minus_teacher: Estimate | None = None
    adjusted_p: float | None = None


class ModelBias(Facts):
    """How well a model ranks test rows that mention identity groups (Borkan et al. 2019).

    `groups` has the AUCs of each group by name, but for those with too few rows; `means` their power means over the
    groups; `final` is the mean of these and the AUC of all rows, None where one of them is not known.
    """

    model: str
    overall: ComparedScore
    groups: dict[str, dict[str, ComparedScore]]
    means: dict[str, ComparedScore]
    final: ComparedScore | None


class IdentityBias(Facts):
    """What was found about identity groups; `source` names the table or file that says who is mentioned."""

    source: str
    groups: list[IdentityGroup]
    models: list[ModelBias]


class ModelReasons(Facts):
    """How a model's word scores agree with people, and how faithful they are (`judging.plausibility`, `.faithfulness`).

    `numbers` are by name: "token_f1_best", "token_f1", "iou_f1" and "auprc" where people marked words,
    "comprehensiveness" and "sufficiency" of models (the word list and random scores are none).
    `best_threshold` is the share of a text's strongest score from which up a word was taken for "token_f1_best".
    """

    model: str
    numbers: dict[str, ComparedScore]
    best_threshold: float | None = None


class SameDecision(Facts):
    """A text on which a student decides as its teacher does, and goes by other words; the strongest words of each."""

    text: str
    decided: str
    rank_correlation: float | None
    teacher_words: list[str]
    student_words: list[str]


class StudentReasons(Facts):
    """How alike a student's word scores and its teacher's are (`judging.likeness`).

    `other_reasons` counts the texts that both decide alike with none of their strongest words in common, of
    `same_decisions`; `listed` has some of them, those that are least alike first.
    """

    model: str
    rank_correlation: Estimate
    overlap: Estimate
    same_decisions: int
    other_reasons: int
    listed: list[SameDecision]


class ExplainedWord(Facts):
    """A word of an explained text, as code points `begin` up to `end`; `marked` by people, None where nobody did."""

    begin: int
    end: int
    marked: bool | None


class ModelView(Facts):
    """What a model made of an explained text: the decision, P(positive class), and each word's score for that class."""

    model: str
    decided: str
    probability: float
    scores: list[float]


class ExplainedText(Facts):
    """A text that the report draws for all models, and why it was chosen."""

    text: str
    chosen_as: str
    words: list[ExplainedWord]
    models: list[ModelView]


class Reasons(Facts):
    """Why models decide as they do: word scores on the same texts, beside people's marks and the teacher's scores.

    `source` says where the texts are from; `rationales` whether people marked words of them. `left_out` counts the
    others by reason. Scores push towards `label`. `models` has the teacher first, then the students, then the
    baselines "word list" and "random" where there are rationales.
    """

    source: str
    rationales: bool
    method: Literal["leave-one-out", "integrated-gradients"]
    settings: dict[str, str]
    label: str
    texts: int
    words: int
    marked_words: int
    left_out: dict[str, int]
    models: list[ModelReasons]
    students: list[StudentReasons]
    examples: list[ExplainedText]


class Comparison(Facts):
    """`first` minus `second` in one measure, by a paired bootstrap; the outcome is `first`'s.

    `measure` is one of `judging.evidence.MEASURES`. `adjusted_p` is Holm's over all pairs of that measure.
    `mcnemar_p` is there for models of one seed.
    """

    first: str
    second: str
    measure: str
    difference: Estimate
    p_value: float
    adjusted_p: float
    outcome: Literal["better", "worse", "not distinguishable"]
    mcnemar_p: float | None = None


class Flip(Facts):
    """A text on which a student decides otherwise than the teacher; scores are P(positive class), else P(label).

    `harm` ranks kinds: "newly missed" (a toxic text), "newly flagged" (a benign one), then the changes for the
    better, "newly caught" and "newly cleared"; without a positive class "newly wrong", "newly right", "changed".
    """

    model: str
    kind: str
    part: Literal["test", "suite", "probes"]
    row: int
    label: str
    text: str
    teacher_score: float
    student_score: float  # mean over the seeds
    seeds_flipped: int
    seeds: int


class Requirement(Facts):
    """One thing that the verdict asks of a student: what, whether it holds, and why, in words."""

    name: str
    state: Literal["holds", "fails", "can't tell"]
    reason: str


class StudentVerdict(Facts):
    """What the comparison concludes about one student."""

    model: str
    kind: Literal["recommended", "acceptable", "not recommended", "conflict", "inconclusive"]
    reasons: list[str]
    requirements: list[Requirement]


class Verdict(Facts):
    """What the comparison concludes: the student to ship, if any, and every student's verdict.

    `folder`, inside the run's, holds the recommended student's seed that does best on the validation rows.
    """

    kind: Literal["recommended", "not recommended", "conflict", "inconclusive"]
    headline: str
    recommended: str | None
    folder: str | None = None
    students: list[StudentVerdict]
    margins: dict[str, float]
    notes: list[str] = Field(default_factory=list)  # worth knowing, and decides nothing


class LayerMeasure(Facts):
    """What the teacher's layers were found to do, on a sample of its training rows.

    Of "influence" `values` are the block influences of `layers`; of "greedy" the losses, in nats, once each of `layers`
    was dropped in this order, and `whole` is that with all of them. `ranking` has the layer to keep first first.
    """

    strategy: Literal["influence", "greedy"]
    rows: int
    layers: list[int]
    values: list[float]
    whole: float | None = None
    ranking: list[int]


class Trial(Facts):
    """One learning rate that was tried for a recipe, and the validation macro-F1 that it gave."""

    recipe: str
    learning_rate: float
    validation_macro_f1: float
    validation_cross_entropy: float | None  # None where training blew up
    best: bool
