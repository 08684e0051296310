"""Why: what was asked, and what the verdict asked of each student."""

from foreshot.judging.evidence import (
    METRIC,
    PROBES,
    REPEAT,
    SEALED,
    SEALED_POSITIVE,
    SUITE,
    SUITE_POSITIVE,
    metric_name,
)
from foreshot.judging.verdict import MENDING, MENDING_SEALED
from foreshot.reporting.behaviour import LONGEST_NAME
from foreshot.reporting.judgement import LONGEST_REASON, SIGNS, ranked_students
from foreshot.reporting.section import Prose, Section, blocks, shown
from foreshot.reporting.tables import (
    Cell,
    Column,
    Mark,
    Row,
    Table,
    count_text,
    heading,
    margin_text,
    models_of,
    seed_count,
)
from foreshot.reporting.texts import shortened
from foreshot.results.results import Results

STATE_SIGNS: dict[str, tuple[str, Mark]] = {"holds": ("✓", "good"), "fails": ("✗", "bad"), "can't tell": ("?", "open")}


def section(results: Results) -> Section:
    """The section: the question, and which of the verdict's requirements each student meets."""
    asked, *more = question(results)
    requirements = requirements_table(results)
    return Section(
        "why",
        "Why",
        "Why",
        blocks(
            Prose(asked, style="lead"),
            [Prose(paragraph) for paragraph in more],
            shown(requirements if requirements.rows else None, "wordy requirements stack", titled=True),
        ),
    )


def question(results: Results) -> list[str]:
    """What is asked, in the words of someone who moderates comments."""
    encoder, data = results.encoder, results.data
    students = [model for model in models_of(results) if model.is_student]
    job, what = _job(results)
    rows = {name: count_text(part.rows) for name, part in data.parts.items()}
    is_ready = any(model.is_teacher and model.first.training is None for model in models_of(results))
    are_scores = any(model.is_teacher and model.first.cost is None for model in models_of(results))
    teacher = "Stored scores" if are_scores else "A teacher that was given ready" if is_ready else "One teacher"
    mended = results.mending.references if results.mending else {}
    has_twin = any(model.is_teacher and model.name in mended for model in models_of(results))
    teacher += ", its mended twin" if has_twin else ""
    besides = " Mended models learnt from disguised and contrast texts besides." if mended else ""
    seeds = f"with {seed_count(results)} seeds" if seed_count(results) > 1 else "with one seed"
    how_many = "one cheaper student" if len(students) == 1 else f"{len(students)} cheaper students"
    trained = "" if not is_ready else "the student " if len(students) == 1 else "the students "
    asked = (
        f"Stored scores are there for {what}. Can a small model stand in for what gave them"
        if are_scores
        else f"A classifier of {encoder.layers} layers {job} {what}. Can a cheaper one take its place"
    )
    return [
        f"{asked} and still behave the same on the comments that matter?",
        f"{teacher} and {how_many}, {trained}trained on the same "
        f"{rows.get('train', '0')} rows in the same order; all measured on the same {rows.get('test', '0')} "
        f"test rows, {seeds}.{besides}",
    ]


def _job(results: Results) -> tuple[str, str]:
    """What a classifier does, and with which comments."""
    data = results.data
    if data.label_names:
        first, kind = shortened(data.label_names[0], LONGEST_NAME), "scores" if data.thresholds else "labels"
        by = f"by {len(data.label_names)} {kind}, {first} first of all" if len(data.label_names) > 1 else f"by {first}"
        return "scores" if data.thresholds else "marks", f"comments {by}"
    if data.positive is not None:
        return "flags", f"{shortened(data.positive, LONGEST_NAME)} comments"
    return "tells apart", f"comments of {len(data.classes)} classes"


def requirements_table(results: Results) -> Table:
    """What the verdict asks of every student: whether it holds, and why."""
    rows: list[Row] = []
    for student in ranked_students(results):
        sign = SIGNS[student.kind]
        file = f" ({shortened(student.folder, 80)})" if student.folder and seed_count(results) > 1 else ""
        rows.append(heading(f"{shortened(student.model, 80)}{file}: {sign} {student.kind}"))
        if student.kind == "conflict":
            rows += [
                Row((Cell("conflict"), Cell("⚠ trap", mark="bad"), Cell(shortened(reason, LONGEST_REASON))))
                for reason in student.reasons
            ]
        for found in student.requirements:
            sign, mark = STATE_SIGNS[found.state]
            name = requirement_name(results, found.name)
            rows.append(
                Row(
                    (
                        Cell(name),
                        Cell(f"{sign} {found.state}", mark=mark),
                        Cell(shortened(found.reason, LONGEST_REASON)),
                    )
                )
            )
    columns = (
        Column("asked of a student", is_number=False),
        Column("state", is_number=False),
        Column("why", is_number=False),
    )
    return Table("requirements", "What was asked of each student", columns, tuple(rows), margins_notes(results))


def requirement_name(results: Results, name: str) -> str:
    """What a requirement asks, in a few words."""
    positive = shortened(results.data.positive or "positive", LONGEST_NAME)
    return {
        METRIC: f"{_metric_name(results)} not worse",
        REPEAT: "as near as the scores to themselves",
        SUITE: "suite not worse",
        SUITE_POSITIVE: f"suite's {positive} cases not worse",
        SEALED: "suite's sealed cases not worse",
        SEALED_POSITIVE: f"suite's sealed {positive} cases not worse",
        MENDING: f"{_metric_name(results)} not worse by mending",
        MENDING_SEALED: "sealed cases not lost by mending",
        "identity": "keeps each identity group",
        PROBES: "probes not clearly worse",
        "sees": "better than blind",
        "functionalities": "keeps each functionality",
        "labels": "keeps each label",
        "seeds": "enough seeds",
    }.get(name, name)


def _metric_name(results: Results) -> str:
    return metric_name(results.data.label_names is not None, of_scores=results.data.thresholds is not None)


def margins_notes(results: Results) -> tuple[str, ...]:
    """The margins that the verdict was reached with."""
    margins, has_labels = results.verdict.margins, results.data.label_names is not None
    parts = [
        f"{what} {margin_text(margins[name])}"
        for name, what in (
            ("metric_margin", _metric_name(results)),
            *([("score_margin", "the same against stored scores themselves")] if results.data.thresholds else []),
            *([("label_margin", "one label's macro-F1")] if has_labels else []),
            ("suite_margin", "the suite and its sides"),
            ("functionality_margin", "one functionality"),
            ("identity_margin", "a subgroup AUC"),
        )
        if name in margins
    ]
    seeds = f"; at least {margins['min_seeds']:g} seeds" if "min_seeds" in margins else ""
    mended = (
        "A mended student is held against the mended teacher, where there is one, on the suite's sealed cases; and on "
        "the test rows, and the sealed cases as a whole, against the teacher without mending too.",
    )
    return (
        f"Margins, how far a student may be below the teacher: {', '.join(parts)}{seeds}. Differences are in "
        "percentage points with 95 % intervals of a paired bootstrap over rows or templates, of the file that is "
        "judged; a requirement holds when the whole interval is above minus the margin.",
        "A recommended student is the cheapest for which everything holds. The rules stand in docs/verdict.md; "
        "--policy sets the margins.",
        *(mended if results.mending else ()),
    )
