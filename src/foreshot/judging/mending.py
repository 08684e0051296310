"""Mending: what it brought to a model and what it cost, by a paired bootstrap of the model and its mended twin."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from foreshot.judging.behaviour import Evasions, template_units
from foreshot.judging.shares import rows_by_functionality, sealed_rows
from foreshot.judging.statistics import PairedSample, accuracy, bootstrap_means, differences, mean_of_sides
from foreshot.results.behaviour import Case
from foreshot.results.mending import EscapeGain, Gain, KindGain, PartGain, SuitePart

Pair = tuple[str, str]  # a model that wasn't mended, and its mended twin


def gains(sample: PairedSample, pairs: Sequence[Pair]) -> list[Gain]:
    """For each pair the number of both twins, and mended minus unmended."""
    found = differences(sample, [(mended, unmended) for unmended, mended in pairs])
    return [
        Gain(before=sample.mean(unmended), after=sample.mean(mended), difference=difference)
        for (unmended, mended), (difference, _) in zip(pairs, found, strict=True)
    ]


def part_gains(
    cases: Sequence[Case], predicted: Mapping[str, np.ndarray], class_names: Sequence[str], pairs: Sequence[Pair]
) -> list[dict[SuitePart, PartGain]]:
    """For each pair the whole suite, its open and its sealed part; `predicted[model]` has shape (seeds, cases).

    A part without cases is left out. Cases of one template are drawn together.
    """
    sealed = sealed_rows(cases)
    parts: dict[SuitePart, np.ndarray] = {
        "whole": np.arange(len(cases)),
        "open": np.setdiff1d(np.arange(len(cases)), sealed),
        "sealed": sealed,
    }
    labels = np.array([class_names.index(case.label) for case in cases])
    found: list[dict[SuitePart, PartGain]] = [{} for _ in pairs]
    for part, rows in parts.items():
        if not len(rows):
            continue
        of_part = _sample(cases, predicted, class_names).of_rows(rows)
        present = [index for index in range(len(class_names)) if (labels[rows] == index).any()]
        by_label = {class_names[index]: gains(of_part.of_rows(labels[rows] == index), pairs) for index in present}
        balanced = gains(of_part.with_metric(mean_of_sides), pairs)
        for place, of_pair in enumerate(found):
            of_pair[part] = PartGain(
                cases=len(rows),
                mean_of_sides=balanced[place],
                by_label={name: of_label[place] for name, of_label in by_label.items()},
            )
    return found


def kind_gains(
    cases: Sequence[Case], predicted: Mapping[str, np.ndarray], class_names: Sequence[str], pairs: Sequence[Pair]
) -> list[list[KindGain]]:
    """For each pair every functionality and label, its open cases and its sealed ones apart, in the suite's order."""
    sample, is_sealed = _sample(cases, predicted, class_names), np.array([case.sealed for case in cases], dtype=bool)
    found: list[list[KindGain]] = [[] for _ in pairs]
    for (name, label), rows in rows_by_functionality(cases).items():
        for sealed in (False, True):
            chosen = rows[is_sealed[rows] == sealed]
            if not len(chosen):
                continue
            for of_pair, right in zip(found, gains(sample.of_rows(chosen), pairs), strict=True):
                of_pair.append(KindGain(name=name, label=label, sealed=sealed, cases=len(chosen), right=right))
    return found


def escapes(
    evasions: Evasions,
    texts: Sequence[str],
    decided: tuple[np.ndarray, np.ndarray],
    evading: tuple[np.ndarray, np.ndarray],
    positive: int,
    trained: Collection[str],
) -> list[EscapeGain]:
    """What escapes the two twins, first without mending: by disguises that were trained with, and by the others.

    `decided` and `evading` are those of each twin, as `judging.behaviour.evasion_results` has them. Counted are the
    rewritten texts that differ from their row and whose row both twins flag undisguised, seed by seed, so that a model
    isn't better for catching less; of these the share that each then misses. All disguises of a kind are pooled, and
    rows are drawn with all their disguises and seeds. A kind of disguises without such texts is left out.
    """
    caught = np.logical_and(*(of_twin[:, evasions.rows] == positive for of_twin in decided))
    shape = (-1, len(evasions.texts), len(evasions.rows))
    missed = [of_twin.reshape(shape) != positive for of_twin in evading]
    changed = np.array(
        [
            [text != texts[row] for text, row in zip(rewritten, evasions.rows, strict=True)]
            for rewritten in evasions.texts.values()
        ],
        dtype=bool,
    )
    tried = caught[:, None, :] & changed
    found = []
    for kind in (True, False):
        chosen = [index for index, name in enumerate(evasions.texts) if (name in trained) == kind]
        counts = [tried[:, chosen], *((tried & one)[:, chosen] for one in missed)]
        by_row = np.stack([count.sum(axis=(0, 1)) for count in counts], axis=-1).astype(float)
        total, escaped_before, _ = by_row.sum(axis=0)
        if total:
            names = [name for index, name in enumerate(evasions.texts) if index in chosen]
            found.append(_escape_gain(by_row, kind, names, has_left=escaped_before > 0))
    return found


def _escape_gain(by_row: np.ndarray, trained: bool, names: list[str], *, has_left: bool) -> EscapeGain:
    """From the texts tried, and those that escape the first and the second twin, (rows, 3)."""

    def shares(means: np.ndarray) -> np.ndarray:
        tried, before, after = np.moveaxis(means, -1, 0)
        numbers = [_ratio(before, tried), _ratio(after, tried), _ratio(after - before, tried)]
        return np.stack([*numbers, *([_ratio(after, before)] if has_left else [])], axis=-1)

    before, after, difference, *left = bootstrap_means(by_row[None], shares)
    return EscapeGain(
        trained=trained,
        disguises=names,
        rows=int((by_row[:, 0] > 0).sum()),
        escaped=Gain(before=before.value, after=after.value, difference=difference),
        left=left[0] if left else None,
    )


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """NaN where a draw has nothing to divide by; it then doesn't count."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0))


def _sample(cases: Sequence[Case], predicted: Mapping[str, np.ndarray], class_names: Sequence[str]) -> PairedSample:
    labels = np.array([class_names.index(case.label) for case in cases])
    return PairedSample.make(predicted, labels, accuracy, classes=len(class_names), units=template_units(cases))
