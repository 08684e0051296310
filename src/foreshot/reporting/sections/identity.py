"""Identity groups: how well each model ranks texts that mention one, and where students do worse than the teacher."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from foreshot.judging.identity_bias import AUCS, LEAST_ROWS, POWER
from foreshot.judging.statistics import SIGNIFICANCE
from foreshot.reporting.behaviour import LONGEST_NAME
from foreshot.reporting.section import Bullets, Prose, Section, blocks, shown
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    Row,
    Table,
    margin_text,
    metric_text,
    models_of,
    points_interval_text,
    points_text,
    reference_of,
)
from foreshot.reporting.texts import shortened
from foreshot.results.identity import ComparedScore, IdentityBias, IdentityGroup, ModelBias
from foreshot.results.results import Results

LONGEST_GROUP = 60
MOST_NAMED = 3
SHORT = {"subgroup": "subgroup", "bpsn": "BPSN", "bnsp": "BNSP"}
FormCell = Callable[[ComparedScore | None], Cell]


def section(results: Results) -> Section | None:
    """The section: scores of rows that mention a group of people, beside the others."""
    said, changed = introduction(results), changes(results)
    if not said:
        return None
    return Section(
        "identity",
        "Identity groups",
        "Identity groups",
        blocks(
            [Prose(paragraph) for paragraph in said],
            Bullets([change.sentence for change in changed], leads=[change.model for change in changed])
            if changed
            else None,
            shown(aucs_table(results), "heat", titled=True),
            shown(differences_table(results), titled=True),
        ),
    )


@dataclass(frozen=True)
class Change:
    """What is clear about a student beside its teacher, in a sentence."""

    model: str
    sentence: str


def introduction(results: Results) -> list[str]:
    """What was measured and how to read it; empty where no groups were asked about."""
    found = results.identity_bias
    if found is None:
        return []
    toxic, benign = _called(results)
    margin = results.verdict.margins.get("identity_margin")
    return [
        f"How well the models rank the test rows that mention each of {len(found.groups)} groups, as "
        f"{shortened(found.source)} tells them: three AUCs (Borkan et al. 2019), each the chance that a {toxic} row "
        f"scores above a {benign} one. 1 is perfect, 0.5 is chance.",
        f"A low BPSN AUC means that {benign} texts that mention the group score above {toxic} ones that don't, and so "
        f"are the first to be flagged wrongly. A low BNSP AUC means that {toxic} texts that mention the group score "
        f"below {benign} ones that don't, and so are the first to get through.",
        f"The verdict asks that no student's subgroup AUC is below its teacher's by more than {margin_text(margin)}."
        if margin is not None
        else "The verdict doesn't look at these numbers.",
    ]


def changes(results: Results) -> list[Change]:
    """For each student what it clearly ranks worse, and better, than the teacher: after correction, with the AUCs."""
    found = results.identity_bias
    if found is None:
        return []
    by_name = {model.model: model for model in found.models}
    baselines = {model.name for model in models_of(results) if model.is_baseline}
    return [
        Change(student.model, _sentence(student, by_name.get(reference)))
        for student in found.models
        if student.model not in baselines and (reference := reference_of(results, student.model)) != student.model
    ]


def aucs_table(results: Results) -> Table | None:
    """Group × model: the three AUCs with their intervals, then the means over the groups; None without groups."""
    found = results.identity_bias
    if found is None:
        return None
    notes = [
        "95 % intervals below, by a bootstrap over the test rows. With few rows they are wide, and for an AUC of 1 too "
        "narrow. Blue: better than chance; orange: worse.",
        f"Power mean: (mean of AUC^p)^(1/p) with p = −{-POWER:.0f}, in which the worst group weighs most; chance pulls "
        "it down where groups are small. Final: the mean of the three power means and the AUC of all test rows.",
        *_too_few_notes(found),
    ]
    return _table(results, found, "identity-aucs", "The AUCs of every group", _names(found), _auc_cell, notes)


def differences_table(results: Results) -> Table | None:
    """Group × student: the same numbers minus the teacher's; None without groups or students."""
    found = results.identity_bias
    students = [model.name for model in models_of(results) if model.is_student]
    if found is None or not students:
        return None
    notes = [
        "Hundredths of AUC, with the 95 % interval of a paired bootstrap, over seeds too where there are several. "
        "▼ worse, ▲ better: p < 0.05 after Holm's correction over all numbers of the student."
    ]
    title = "Student minus teacher"
    return _table(results, found, "identity-differences", title, students, _difference_cell, notes)


def _table(
    results: Results,
    found: IdentityBias,
    key: str,
    title: str,
    models: list[str],
    form: FormCell,
    notes: Iterable[str],
) -> Table:
    by_name = {model.model: model for model in found.models}
    asked = [by_name[name] for name in models]
    rows: list[Row] = []
    for auc, heading in _headings(results).items():
        rows.append(Row((Cell(heading),), is_heading=True))
        for group in found.groups:
            cells = (form(model.groups.get(group.name, {}).get(auc)) for model in asked)
            rows.append(Row((_group_cell(results, group), *cells)))
    rows.append(Row((Cell("Over all groups"),), is_heading=True))
    rows += [Row((Cell(f"{SHORT[auc]}, power mean"), *(form(model.means.get(auc)) for model in asked))) for auc in AUCS]
    rows.append(Row((Cell("AUC of all test rows"), *(form(model.overall) for model in asked))))
    rows.append(Row((Cell("final"), *(form(model.final) for model in asked))))
    columns = (Column("group", is_number=False), *(Column(name) for name in models))
    return Table(key, title, columns, tuple(rows), tuple(notes))


def _headings(results: Results) -> dict[str, str]:
    toxic, benign = _called(results)
    return {
        "subgroup": f"Subgroup AUC: {toxic} and {benign} rows that mention the group",
        "bpsn": f"BPSN AUC: {benign} rows that mention it, {toxic} rows that don't",
        "bnsp": f"BNSP AUC: {toxic} rows that mention it, {benign} rows that don't",
    }


def _called(results: Results) -> tuple[str, str]:
    """What the class that counts as toxic and the other one are called."""
    positive = results.data.positive or "positive"
    others = [name for name in results.data.classes if name != positive]
    return shortened(positive, LONGEST_NAME), shortened(others[0], LONGEST_NAME) if len(others) == 1 else "other"


def _names(found: IdentityBias) -> list[str]:
    return [model.model for model in found.models]


def _group_cell(results: Results, group: IdentityGroup) -> Cell:
    toxic, benign = _called(results)
    counts = f"{group.positive:,} {toxic}, {group.negative:,} {benign}"
    return Cell(shortened(group.name, LONGEST_GROUP), remark=counts)


def _auc_cell(score: ComparedScore | None) -> Cell:
    if score is None:
        return Cell(NOTHING, remark="too few rows")
    value = score.value
    return Cell(
        metric_text(value.value), remark=f"{metric_text(value.low)}–{metric_text(value.high)}", share=value.value
    )


def _difference_cell(score: ComparedScore | None) -> Cell:
    if score is None or score.minus_teacher is None:
        return Cell(NOTHING, remark="too few rows" if score is None else "")
    change = score.minus_teacher
    interval = points_interval_text(change)
    if not _is_clear(score):
        return Cell(points_text(change.value), remark=interval)
    if change.value < 0:
        return Cell(f"{points_text(change.value)} ▼ worse", remark=interval, mark="bad")
    return Cell(f"{points_text(change.value)} ▲ better", remark=interval, mark="good")


def _is_clear(score: ComparedScore) -> bool:
    return score.adjusted_p is not None and score.adjusted_p < SIGNIFICANCE


def _sentence(student: ModelBias, teacher: ModelBias | None) -> str:
    clear = [
        (score.minus_teacher.value, group, auc)
        for group, aucs in student.groups.items()
        for auc, score in aucs.items()
        if score.minus_teacher is not None and _is_clear(score)
    ]

    def named(found: list[tuple[float, str, str]]) -> str:
        shown = [
            f"{shortened(group, LONGEST_GROUP)} ({SHORT[auc]} {metric_text(student.groups[group][auc].value.value)}"
            f"{f' against {metric_text(teacher.groups[group][auc].value.value)}' if teacher else ''})"
            for _, group, auc in found[:MOST_NAMED]
        ]
        return ", ".join(shown) + (f", and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else "")

    worse = sorted(one for one in clear if one[0] < 0)
    better = sorted((one for one in clear if one[0] > 0), reverse=True)
    said = [
        f"ranks {way} than the teacher for {named(ones)}"
        for way, ones in (("worse", worse), ("better", better))
        if ones
    ]
    return f"{'; '.join(said)}." if said else "differs from the teacher beyond chance for no group."


def _too_few_notes(found: IdentityBias) -> list[str]:
    lacking = [group for group in found.groups if group.too_few]
    if not lacking:
        return []
    reasons = [
        (group.name, dict.fromkeys(reason for of_auc in group.too_few.values() for reason in of_auc))
        for group in lacking[:MOST_NAMED]
    ]
    named = "; ".join(f"{shortened(name, LONGEST_GROUP)}: {', '.join(found)}" for name, found in reasons)
    more = f"; and {len(lacking) - MOST_NAMED} more groups" if len(lacking) > MOST_NAMED else ""
    return [
        f"{NOTHING}: not known, since either side of an AUC must have {LEAST_ROWS} test rows ({named}{more}). Means "
        "are over the groups that have the AUC."
    ]
