"""Results of a comparison that mended its models: the usual ones with twins, numbers made up but for their order."""

from results_factory import make_results

from foreshot.judging.evidence import SEALED, SUITE
from foreshot.results.base import Estimate
from foreshot.results.behaviour import SealedResult, SuiteResult
from foreshot.results.mending import EscapeGain, Gain, KindGain, Mended, PartGain, Twins
from foreshot.results.results import Results

MODELS = ("teacher", "teacher-mended", "odd", "odd-mended")
PAIRS = (("teacher", "teacher-mended"), ("odd", "odd-mended"))
REFERENCES = {"teacher-mended": "teacher", "odd-mended": "teacher-mended"}
SEALED_KINDS, HALF_SEALED = ("leet spelling", "friendly banter"), "veiled threat"


def gain(before: float, after: float, reach: float = 0.02) -> Gain:
    change = after - before
    return Gain(before=before, after=after, difference=Estimate(value=change, low=change - reach, high=change + reach))


def part(cases: int, toxic: Gain, benign: Gain) -> PartGain:
    middle = gain((toxic.before + benign.before) / 2, (toxic.after + benign.after) / 2)
    return PartGain(cases=cases, mean_of_sides=middle, by_label={"toxic": toxic, "benign": benign})


def twins(unmended: str, mended: str) -> Twins:
    return Twins(
        unmended=unmended,
        mended=mended,
        metric=gain(0.912, 0.908, 0.006),
        parts={
            "whole": part(288, gain(0.6, 0.8), gain(0.5, 0.7)),
            "open": part(228, gain(0.61, 0.85), gain(0.52, 0.75)),
            "sealed": part(60, gain(0.58, 0.74), gain(0.46, 0.62)),
        },
        functionalities=[
            KindGain(name=HALF_SEALED, label="toxic", sealed=False, cases=12, right=gain(0.5, 0.9)),
            KindGain(name=HALF_SEALED, label="toxic", sealed=True, cases=12, right=gain(0.5, 0.49)),
            KindGain(name="leet spelling", label="toxic", sealed=True, cases=24, right=gain(0.7, 0.6)),
            KindGain(name="friendly banter", label="benign", sealed=True, cases=24, right=gain(0.2, 0.42)),
        ],
        escapes=[
            EscapeGain(trained=True, disguises=["leet", "spaced"], rows=120, escaped=gain(0.5, 0.1), left=None),
            EscapeGain(
                trained=False,
                disguises=["dots", "homoglyphs", "no vowels"],
                rows=118,
                escaped=gain(0.44, 0.2),
                left=Estimate(value=0.4545, low=0.4, high=0.52),
            ),
        ],
    )


def mended_results(*, models: tuple[str, ...] = MODELS, **asked) -> Results:
    """The usual results of these models, with what mending brought."""
    found = make_results(models=models, **asked)
    return found.model_copy(
        update={
            "models": [
                one.model_copy(update={"recipe": None, "folder": one.model}) if one.model == "teacher-mended" else one
                for one in found.models
            ],
            "suite_results": [
                one.model_copy(update={"sealed": _sealed(one) if one.functionalities else None})
                for one in found.suite_results
            ],
            "evasion": {
                model: [one.model_copy(update={"trained": one.perturbation in ("leet", "spaced")}) for one in of_model]
                for model, of_model in found.evasion.items()
            },
            "comparisons": [
                *found.comparisons,
                *(one.model_copy(update={"measure": SEALED}) for one in found.comparisons if one.measure == SUITE),
            ],
            "mending": Mended(references=REFERENCES, twins=[twins(*pair) for pair in PAIRS]),
        }
    )


def _sealed(found: SuiteResult) -> SealedResult:
    """All cases of two kinds, and half of a third one's; shares are those of all cases, moved to tell them apart."""
    return SealedResult(
        cases=60,
        accuracy=_moved(found.accuracy),
        by_label={name: _moved(share) for name, share in found.by_label.items()},
        functionalities=[
            one.model_copy(update={"cases": one.cases if one.name in SEALED_KINDS else one.cases // 2})
            for one in found.functionalities
            if one.name in (*SEALED_KINDS, HALF_SEALED)
        ],
    )


def _moved(share: Estimate) -> Estimate:
    return Estimate(**{name: value * 0.9 for name, value in share.model_dump().items()})
