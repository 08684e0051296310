"""The model card: a bundle's README.md, in Markdown with the metadata that the Hugging Face hub reads."""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from foreshot.errors import ConfigError
from foreshot.reporting.tables import (
    NOTHING,
    big_count_text,
    count_text,
    metric_text,
    percent_interval_text,
    percent_text,
    points_text,
)
from foreshot.reporting.texts import markdown, shortened
from foreshot.results.base import Estimate
from foreshot.results.behaviour import CellResult
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.bundle import Manifest
from foreshot.runtime.decisions import parse_policy
from foreshot.runtime.tokenization import LONGEST_TEXT

LONGEST_NAME = 80
WEAKEST = 8  # functionalities shown
METRICS = {  # the hub's name and ours
    "accuracy": ("accuracy", "accuracy"),
    "macro_f1": ("f1", "macro-F1"),
    "mcc": ("matthews_correlation", "Matthews correlation"),
    "auroc": ("roc_auc", "AUROC"),
    "average_precision": ("average_precision", "average precision"),
}
TASK = "text-classification"
ADVISED = ("recommended", "acceptable")  # verdicts that need no warning
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Told:
    """What only who publishes a bundle knows: its language and licence as the hub names them, and what to say first.

    `about` is Markdown, and stays as it is.
    """

    language: str | None = None
    licence: str | None = None
    about: str = ""

    def __post_init__(self) -> None:
        for name, value in (("language", self.language), ("licence", self.licence)):
            if value is not None and not _HUB_NAME.fullmatch(value):
                raise ConfigError(f"⟨{name}⟩ {value!r}: must be a name that the hub knows, such as en or cc-by-4.0")


def card(manifest: Manifest, told: Told | None = None) -> str:
    """The card of a bundle. Every text of the manifest is escaped: in YAML, and for GitHub-flavoured Markdown."""
    told = told or Told()
    unknown = [name for name, value in (("language", told.language), ("license", told.licence)) if value is None]
    environment = Environment(  # nosec B701
        loader=PackageLoader("foreshot.exporting"),
        autoescape=False,  # noqa: S701  # `finalize` escapes for Markdown what autoescape would for HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: markdown(value) if isinstance(value, str) else value,  # not what is `_AsItIs`
    )
    environment.filters["unescaped"] = _AsItIs
    text = environment.get_template("card.md.j2").render(
        manifest=manifest,
        origin=manifest.origin,
        title=_title(manifest),
        warned=manifest.origin.verdict is not None and manifest.origin.verdict not in ADVISED,
        made_from=_made_from(manifest),
        labels=[shortened(label, LONGEST_NAME) for label in manifest.labels],
        metrics=[
            (_whose_metric(manifest, name), metric_text(value))
            for name, value in manifest.metrics.items()
            if value is not None
        ],
        label_metrics=_label_metrics(manifest),
        label_thresholds=_label_thresholds(manifest),
        shares=_shares(manifest),
        weakest=_weakest(manifest),
        decisions=_decisions(manifest),
        graphs=_graphs(manifest),
        trimmed=_trimmed(manifest),
        longest_text=count_text(LONGEST_TEXT),
        about=told.about.strip().splitlines(),
        unknown=" and ".join(f"`{name}`" for name in unknown),
    )
    return f"---\n{_metadata(manifest, told)}---\n\n{text}"


def _metadata(manifest: Manifest, told: Told) -> str:
    """What the hub reads; a language and a licence that nobody told are for the reader to fill in."""
    origin = manifest.origin
    base = origin.encoder if origin.run is not None else origin.model
    results = _measured(manifest)
    metadata = ModelCardData(
        language=told.language,
        license=told.licence,
        pipeline_tag=TASK,
        library_name="onnxruntime",
        tags=["foreshot", "onnx", TASK, *(["distillation"] if _distilled(manifest) else [])],
        base_model=base if base is not None and _HUB_ID.fullmatch(base) else None,
        model_name=_title(manifest) if results else None,
        eval_results=results or None,
    )
    return f"{metadata.to_yaml()}\n"


def _measured(manifest: Manifest) -> list[EvalResult]:
    """Results for the hub: the test rows', and the suite's beside them."""
    test_rows = shortened(manifest.origin.data or "test rows", LONGEST_NAME)
    found = [
        _result(test_rows, METRICS[name][0], _whose_metric(manifest, name), value, split="test")
        for name, value in manifest.metrics.items()
        if name in METRICS and value is not None
    ]
    if manifest.suite is not None and manifest.suite_result is not None:
        suite = f"behavioural suite {shortened(manifest.suite.name, LONGEST_NAME)}"
        shares = [("accuracy", manifest.suite_result.accuracy)] + [
            (f"accuracy on {shortened(name, LONGEST_NAME)} cases", share)
            for name, share in manifest.suite_result.by_label.items()
        ]
        found += [_result(suite, "accuracy", name, share.value) for name, share in shares]
    return found


def _result(dataset: str, kind: str, name: str, value: float, *, split: str | None = None) -> EvalResult:
    return EvalResult(
        task_type=TASK,
        dataset_type="custom",
        dataset_name=dataset,
        dataset_split=split,
        metric_type=kind,
        metric_name=name,
        metric_value=value,
    )


class _AsItIs:
    """Markdown that isn't escaped: our own, or of who publishes the bundle."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def _title(manifest: Manifest) -> str:
    origin = manifest.origin
    if origin.run is None:
        return shortened(manifest.name, LONGEST_NAME)
    model = PurePath(origin.model).name if origin.recipe is None else str(origin.recipe.get("name", "student"))
    seed = "" if origin.seed is None else f", seed {origin.seed}"
    return shortened(f"{origin.run}: {model}{seed}", LONGEST_NAME)


def _distilled(manifest: Manifest) -> bool:
    return (manifest.origin.recipe or {}).get("objective") == "distil"


def _made_from(manifest: Manifest) -> list[tuple[str, str]]:
    """What the model is and came from, as a table of two columns; what isn't known is left out."""
    origin, recipe = manifest.origin, manifest.origin.recipe
    rows = {
        "model": origin.model,
        "architecture": origin.architecture,
        "size": f"{origin.layers} layers, {big_count_text(origin.parameters)} parameters",
        "fingerprint": origin.fingerprint,
        "run": origin.run,
        "recipe": None if recipe is None else ", ".join(_recipe_values(recipe)),
        "kept layers of the teacher": None if origin.layer_map is None else ", ".join(map(str, origin.layer_map)),
        "seed": None if origin.seed is None else str(origin.seed),
        "teacher": origin.teacher,
        "encoder": origin.encoder,
        "data": origin.data,
        "fingerprint of the data": origin.data_fingerprint,
        "training rows": None if origin.training_rows is None else count_text(origin.training_rows),
        "made at": manifest.made_at,
        "made with": ", ".join(f"{package} {version}" for package, version in manifest.versions.items()),
    }
    return [(name, shortened(value)) for name, value in rows.items() if value is not None]


def _recipe_values(recipe: dict[str, Any]) -> list[str]:
    usual = {"learning_rate_factor": 1.0}
    return [f"{name} {value}" for name, value in recipe.items() if value and value != usual.get(name)]


def _shares(manifest: Manifest) -> list[tuple[str, str, str, str]]:
    """All cases of the suite, each class's, and the pairs': how many, the share right, and its interval."""
    suite, result = manifest.suite, manifest.suite_result
    if suite is None or result is None:
        return []
    rows = [("all cases", suite.cases, result.accuracy)]
    rows += [(name, suite.class_counts.get(name, 0), share) for name, share in result.by_label.items()]
    if result.pairs_right is not None:
        rows.append(("contrast pairs, both right", suite.pairs, result.pairs_right))
    return [(shortened(name, LONGEST_NAME), count_text(count), *_share(share)) for name, count, share in rows]


def _weakest(manifest: Manifest) -> list[tuple[str, str, str, str, str]]:
    """The functionalities that the model does worst on, the worst first."""
    cells: list[CellResult] = [] if manifest.suite_result is None else manifest.suite_result.functionalities
    worst = sorted(cells, key=lambda cell: cell.accuracy.value)[:WEAKEST]
    return [
        (
            shortened(cell.name, LONGEST_NAME),
            shortened(cell.label, LONGEST_NAME),
            count_text(cell.cases),
            *_share(cell.accuracy),
        )
        for cell in worst
    ]


def _share(share: Estimate) -> tuple[str, str]:
    return percent_text(share.value), percent_interval_text(share)


def _decisions(manifest: Manifest) -> list[str]:
    """How scores become labels and decisions, in sentences."""
    if manifest.decisions is not None:
        return _label_decisions(manifest, manifest.decisions)
    decision, positive = manifest.decision, shortened(manifest.positive or "", LONGEST_NAME)
    scaled = (
        f" divided by a temperature of {decision.temperature:.3f}, fitted on validation rows so that scores come "
        "nearer to being right as often as they say"
    )
    said = [
        f"A score is a class's probability: the softmax of the logits{'' if decision.temperature == 1 else scaled}."
    ]
    if decision.threshold is None:
        said.append("The label is the class with the highest score.")
        said.append(
            f"A text labelled {positive} is to be blocked, any other is allowed."
            if manifest.positive is not None
            else "No class counts as toxic, so there are no decisions to allow or block."
        )
        return said
    return [*said, *_blocking(manifest, "and gets the likeliest of the other labels"), _promise(manifest)]


def _label_decisions(manifest: Manifest, decisions: LabelDecisions) -> list[str]:
    """Likewise of a multi-label model, whose thresholds stand in a table of their own."""
    judged = shortened(decisions.judged, LONGEST_NAME)
    said = [
        "A text can have any of the labels, or none. A score is one label's probability by itself: the sigmoid of its "
        "logit divided by its temperature. The scores of a text don't add up to 1.",
        "A text has every label whose score reaches its threshold below; one that a person should look at counts, too.",
        f"One label alone, {judged}, decides what is blocked and what allowed, and is judged by the suite.",
    ]
    if manifest.decision.threshold is None:
        return [*said, f"A text with the label {judged} is to be blocked, any other is allowed."]
    return [*said, *_blocking(manifest, "without this label"), _promise(manifest)]


def _blocking(manifest: Manifest, otherwise: str) -> list[str]:
    """What the thresholds of the positive label lead to; `otherwise` is what is said of a text below them."""
    decision, positive = manifest.decision, shortened(manifest.positive or "", LONGEST_NAME)
    said = [f"A text whose score for {positive} is at least {decision.threshold:.3f} is to be blocked."]
    if decision.review_threshold is not None:
        said.append(
            f"From {decision.review_threshold:.3f} up to there a person should look. Anything lower is allowed. Texts "
            f"to block and texts to look at are both labelled {positive}."
        )
    else:
        said.append(f"Anything lower is allowed, {otherwise}.")
    return said


def _label_thresholds(manifest: Manifest) -> list[tuple[str, str, str, str]]:
    """Each label of a multi-label model: its policy, its threshold (with that for review), its temperature."""
    if manifest.decisions is None:
        return []
    return [
        (shortened(label, LONGEST_NAME), decision.policy, _threshold(decision), f"{decision.temperature:.3f}")
        for label, decision in manifest.decisions.by_label.items()
    ]


def _threshold(decision: Decision) -> str:
    if decision.threshold is None:
        return "above 0.500"
    review = "" if decision.review_threshold is None else f"review from {decision.review_threshold:.3f}, block from "
    return f"{review}{decision.threshold:.3f}{'' if decision.met else ' (its promise was not kept)'}"


def _label_metrics(manifest: Manifest) -> tuple[list[str], list[list[str]]]:
    """The names of the labels' metrics, and a row for each label: its name and its figures."""
    found = manifest.label_metrics or {}
    names = list(dict.fromkeys(name for metrics in found.values() for name in metrics))
    rows = [
        [shortened(label, LONGEST_NAME)]
        + [NOTHING if (value := metrics.get(name)) is None else metric_text(value) for name in names]
        for label, metrics in found.items()
    ]
    return [_metric_name(name) for name in names], rows


def _whose_metric(manifest: Manifest, name: str) -> str:
    """A metric's name; of a multi-label model, with what it is about (`RunModel.metrics`)."""
    if manifest.decisions is None:
        return _metric_name(name)
    about = "mean over the labels" if name == "macro_f1" else shortened(manifest.decisions.judged, LONGEST_NAME)
    return f"{_metric_name(name)} ({about})"


def _metric_name(name: str) -> str:
    """What people call a metric."""
    names = {"f1": "F1", **{known: ours for known, (_, ours) in METRICS.items()}}
    return names.get(name) or shortened(name, LONGEST_NAME)


def _promise(manifest: Manifest) -> str:
    policy = parse_policy(manifest.decision.policy)
    positive = shortened(manifest.positive or "", LONGEST_NAME)
    if policy.recall is None and policy.fpr is None:
        return f"The policy is {policy.text}: the threshold with the best F1 on validation rows."
    wanted = []
    if policy.recall is not None:
        wanted.append(f"at least {policy.recall:.1%} of the {positive} rows are caught")
    if policy.fpr is not None:
        wanted.append(f"at most {policy.fpr:.1%} of the other rows are blocked")
    kept = (
        "the thresholds were fitted to that on validation rows"
        if manifest.decision.met
        else "NO threshold kept this promise on the validation rows, and the one that comes nearest was taken"
    )
    return f"The policy is {policy.text}, that is {' and '.join(wanted)}; {kept}."


def _trimmed(manifest: Manifest) -> dict[str, Any] | None:
    """How many pieces a trimmed vocabulary has left, and what that changes: of which texts, and how many of them."""
    found = manifest.vocabulary
    if found is None:
        return None
    shown = [
        (
            shortened(part.source, LONGEST_NAME),
            count_text(part.texts),
            f"{count_text(part.other_tokens)} ({percent_text(part.other_tokens / part.texts)})",
            f"{count_text(part.other_decisions)} ({part.other_decisions / part.texts:.2%})",
        )
        for part in found.changed
    ]
    return {
        "pieces": count_text(found.pieces),
        "before": count_text(found.pieces_before),
        "fewer": "none" if found.least_rows == 1 else f"fewer than {count_text(found.least_rows)}",
        "source": shortened(found.source, LONGEST_NAME),
        "changed": shown,
    }


def _graphs(manifest: Manifest) -> list[dict[str, str]]:
    """Each graph: how it was made and how near it comes to the model, as texts."""
    rows = []
    for graph in manifest.graphs:
        found = graph.parity
        worst = found.worst_functionality
        rows.append(
            {
                "file": graph.file,
                "method": shortened(graph.method),
                "opset": str(graph.opset),
                "equal": f"{found.decisions_equal:.2%}",
                "rows": f"{count_text(found.rows)} texts: {shortened(found.source, LONGEST_NAME)}"
                + (f" and the suite's {count_text(found.suite_cases)} cases" if found.suite_cases else ""),
                "difference": f"{found.largest_difference:.1e}",
                "suite": NOTHING if found.suite_change is None else f"{points_text(found.suite_change)} points",
                "worst": NOTHING
                if worst is None
                else f"{points_text(worst[1])} points, {shortened(worst[0], LONGEST_NAME)}",
            }
        )
    return rows
