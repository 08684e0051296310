"""The API, /v1: texts in, labels, scores and decisions out; which models answer, and whether the server does."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from foreshot.data.alignment import Aligned, align
from foreshot.data.texts import escape_entities
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.classifier import Prediction
from foreshot.runtime.leave_one_out import left_out, word_scores
from foreshot.runtime.log_odds import is_saturated, target_of
from foreshot.runtime.words import Word, words_of
from foreshot.serving.bands import band_of, bands_between, bands_of
from foreshot.serving.bodies import read_body
from foreshot.serving.catalogue import Catalogue, ServedModel
from foreshot.serving.openapi import described, documented, schema_of
from foreshot.serving.schemas import (
    ClassifyResponse,
    DecisionBand,
    DecisionRule,
    LabelRule,
    ModelCard,
    ModelsResponse,
    RequestLimits,
    make_classify_request,
)
from foreshot.serving.settings import Limits, ServeSettings

REFUSALS = (400, 401, 408, 413, 415, 422, 503)


def api_router(catalogue: Catalogue, settings: ServeSettings) -> APIRouter:
    """The paths of /v1."""
    router = APIRouter(prefix="/v1", tags=["Foreshot"])
    bands = {name: bands_of(model.classifier.manifest) for name, model in catalogue.items()}
    request_shape = make_classify_request(settings.limits)

    @router.post(
        "/classify",
        summary="Classify texts",
        response_model=ClassifyResponse,
        responses=documented((404, *REFUSALS)),
        openapi_extra=described(schema_of(request_shape)),
    )
    async def classify(request: Request) -> Response:
        """Each text gets its label or labels, all scores, and a decision by the bundle's policy, in their order."""
        asked = await read_body(request, request_shape)
        model = catalogue.asked(asked.model)
        predictions = await model.predict(asked.texts)
        words = await _explained(model, asked.texts, predictions, settings.limits) if asked.explain else {}
        results = [
            _result(model, prediction, bands[model.name], words.get(number))
            for number, prediction in enumerate(predictions)
        ]
        return Response(json.dumps({"results": results}), media_type="application/json")

    @router.get(
        "/models", summary="The models that answer", response_model=ModelsResponse, responses=documented((401,))
    )
    async def models() -> ModelsResponse:
        """How each was made, how good it is, and how it behaves on its suite."""
        limits = RequestLimits.model_validate(settings.limits.model_dump(include=set(RequestLimits.model_fields)))
        cards = [_card(model, model is catalogue.default, bands[name]) for name, model in catalogue.items()]
        kept = settings.feedback.file is not None
        return ModelsResponse(models=cards, limits=limits, keys=bool(settings.keys), feedback=kept)

    return router


async def _explained(
    model: ServedModel, texts: Sequence[str], predictions: Sequence[Prediction], limits: Limits
) -> Mapping[int, list[dict[str, Any]]]:
    """What the first words of a request's texts do to the score, by the number of the text."""
    found: dict[int, list[dict[str, Any]]] = {}
    left = limits.explained_words
    for number, (text, prediction) in enumerate(zip(texts, predictions, strict=True)):
        aligned, words = await asyncio.to_thread(_aligned_words, text, left)
        without = [escape_entities(rest) for rest in left_out(aligned.normalised, words)]
        label = _explained_label(model, prediction)
        target = target_of(model.classifier.manifest.deciding, model.classifier.manifest.labels.index(label))
        asked = [prediction, *await model.batcher.score(without)]
        probabilities = [one.scores[label] for one in asked]
        log_odds = target.log_odds(np.array([one.logits for one in asked])).tolist()
        differences = [word_scores(values[0], values[1:]) for values in (probabilities, log_odds)]
        found[number] = _influences(aligned, words, *differences)
        left -= len(words)
        if not left:
            break
    return found


def _aligned_words(text: str, most: int) -> tuple[Aligned, list[Word]]:
    aligned = align(text)
    return aligned, words_of(aligned.normalised, most)


def _explained_label(model: ServedModel, prediction: Prediction) -> str:
    return model.classifier.manifest.positive or prediction.label


def _influences(
    aligned: Aligned, words: Sequence[Word], influences: Sequence[float], log_odds_differences: Sequence[float]
) -> list[dict[str, Any]]:
    spans = [aligned.original_span(word.begin, word.end) for word in words]
    return [
        {"begin": begin, "end": end, "word": word.word, "influence": influence, "log_odds_difference": difference}
        for (begin, end), word, influence, difference in zip(
            spans, words, influences, log_odds_differences, strict=True
        )
    ]


def _result(
    model: ServedModel, prediction: Prediction, bands: Sequence[DecisionBand], words: list[dict[str, Any]] | None
) -> dict[str, Any]:
    """A `schemas.Result`, as what JSON is made of: validating our own numbers again costs more than computing some."""
    band = band_of(prediction.decision, bands)
    return {
        "label": prediction.label,
        "labels": prediction.labels,
        "scores": prediction.scores,
        "decision": prediction.decision,
        "band": None if band is None else {"low": band.low, "high": band.high},
        "truncated": prediction.truncated,
        "saturated": is_saturated(prediction.scores[_explained_label(model, prediction)]),
        "words": words,
        "model": model.name,
        "checksum": model.checksum,
    }


def _card(model: ServedModel, default: bool, bands: list[DecisionBand]) -> ModelCard:
    manifest = model.classifier.manifest
    origin, decision = manifest.origin, manifest.decision
    return ModelCard(
        name=model.name,
        default=default,
        checksum=model.checksum,
        file=model.classifier.file,
        title=manifest.name,
        labels=manifest.labels,
        positive=manifest.positive,
        max_length=manifest.max_length,
        recipe=origin.recipe,
        layers=origin.layers,
        layer_map=origin.layer_map,
        parameters=origin.parameters,
        teacher=origin.teacher,
        encoder=origin.encoder,
        made_at=manifest.made_at,
        verdict=origin.verdict,
        verdict_reasons=list(origin.verdict_reasons),
        metrics=manifest.metrics,
        metrics_rows=manifest.metrics_rows,
        label_metrics=manifest.label_metrics,
        suite=manifest.suite,
        suite_result=manifest.suite_result,
        decision=DecisionRule(**_rule(decision)),
        bands=bands,
        by_label=_rules(manifest.decisions),
    )


def _rules(decisions: LabelDecisions | None) -> dict[str, LabelRule] | None:
    if decisions is None:
        return None
    return {
        label: LabelRule(**_rule(decision), bands=bands_between(decision))
        for label, decision in decisions.by_label.items()
    }


def _rule(decision: Decision) -> dict[str, Any]:
    return decision.model_dump(include=set(DecisionRule.model_fields))
