"""Why models decide as they do: word scores beside people's marks, and beside the teacher's."""

from collections.abc import Iterable

from foreshot.judging.statistics import SIGNIFICANCE
from foreshot.reporting.behaviour import LONGEST_NAME
from foreshot.reporting.explained_texts import LONGEST_SOURCE, LONGEST_WORD, examples
from foreshot.reporting.marked_words import IN_ODDS, NONE, SATURATED
from foreshot.reporting.section import Block, Heading, Own, Prose, Quote, Section, Shown, blocks, shown
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    Row,
    Table,
    count_text,
    metric_text,
    percent_interval_text,
    percent_text,
    points_text,
    table,
)
from foreshot.reporting.texts import shortened
from foreshot.results.base import Estimate
from foreshot.results.identity import ComparedScore
from foreshot.results.reasons import ModelReasons, Reasons, SameDecision
from foreshot.results.results import Results
from foreshot.words.reasons import RANDOM, WORD_LIST

PEOPLE = {
    "token_f1_best": "token F1, best threshold",
    "token_f1": "token F1, half",
    "iou_f1": "IOU F1",
    "auprc": "AUPRC",
}
FAITHFULNESS = {"comprehensiveness": "comprehensiveness", "sufficiency": "sufficiency"}
LOWER_IS_BETTER = ("sufficiency",)
BASELINES = (WORD_LIST, RANDOM)


def section(results: Results) -> Section | None:
    """The section: the words that decisions stand on, in numbers and in examples."""
    said = introduction(results)
    if not said:
        return None
    like_teacher = teacher_table(results)
    return Section(
        "reasons",
        "Why they decide so",
        "Why they decide so",
        blocks(
            [Prose(paragraph) for paragraph in said],
            shown(people_table(results), titled=True),
            shown(faithfulness_table(results), titled=True),
            shown(like_teacher, titled=True),
            shown(other_reasons_table(results), "wordy other-reasons", folded="closed"),
            _examples(results, chosen_by_likeness=like_teacher is not None),
        ),
    )


def _examples(results: Results, *, chosen_by_likeness: bool) -> Own | None:
    """The example texts: with their words coloured, or as tables."""
    found = examples(results)
    if not found:
        return None
    saturated = f"Some scores are {SATURATED}." if any(line.saturated for one in found for line in one.lines) else ""
    instead: list[Block] = []
    if chosen_by_likeness:
        instead.append(Prose("Examples, chosen by how alike the scores of students and teacher are:"))
    if saturated:
        instead.append(Prose(saturated))
    for example in found:
        instead += [Heading(f"Example {example.number}: {example.chosen_as}"), Quote(example.text)]
        if example.people is not None:
            instead.append(Prose(f"Marked by people: {', '.join(example.people) or 'nothing'}"))
        instead.append(Shown(example.table))
    given = {
        "examples": found,
        "explained_label": explained_label(results),
        "chosen_by_likeness": chosen_by_likeness,
        "no_word": NONE,
        "saturated": saturated,
    }
    return Own("examples.html.j2", given, instead)


def introduction(results: Results) -> list[str]:
    """What was explained, how, and what it is worth; empty where nothing was."""
    found = results.reasons
    if found is None:
        return []
    return [
        f"{count_text(found.texts)} texts with {count_text(found.words)} words, from "
        f"{shortened(found.source, LONGEST_SOURCE)}, were explained for every model.{_left_out(found)}",
        _method(found),
        _people(found),
        " ".join(["The verdict doesn't look at these numbers.", *_worth(found)]),
    ]


def people_table(results: Results) -> Table | None:
    """How well each model's word scores find the words that people marked; None where nobody marked any."""
    found = results.reasons
    if found is None or not found.rationales:
        return None
    thresholds = any(model.best_threshold is not None for model in found.models)
    columns = [Column("model", is_number=False)]
    for name, title in PEOPLE.items():
        columns.append(Column(title))
        if thresholds and name == "token_f1_best":
            columns.append(Column("that threshold"))
    rows = []
    for model in found.models:
        cells = [_name_cell(model)]
        for name in PEOPLE:
            cells.append(_score_cell(model.numbers.get(name), name))
            if thresholds and name == "token_f1_best":
                cells.append(Cell(NOTHING if model.best_threshold is None else f"{model.best_threshold:.2f}"))
        rows.append(cells)
    notes = [
        "All from 0 to 1; higher is nearer to people (DeYoung et al. 2020; Mathew et al. 2021). Token F1: words found, "
        "against words marked. At half: words with at least half of the text's strongest positive score. At the best "
        "threshold: the share of it that is best on these very texts, which flatters every row. IOU F1: spans, found "
        "where they overlap a marked one by at least half. AUPRC: the area under precision and recall, which needs no "
        "threshold, for each text, averaged. By leave-one-out these scores are falls of the probability, whose order "
        "within a text is that of the log-odds.",
        _intervals_note("nearer to people than the teacher", "further from them"),
    ]
    return table("people", "Agreement with people", columns, rows, *notes)


def faithfulness_table(results: Results) -> Table | None:
    """Whether each model's decision hangs on the words that its scores name; None where it was not measured."""
    found = results.reasons
    models = [] if found is None else [model for model in found.models if model.numbers.keys() & FAITHFULNESS.keys()]
    if not models:
        return None
    columns = [Column("model", is_number=False), *(Column(title) for title in FAITHFULNESS.values())]
    rows = [
        [_name_cell(model), *(_score_cell(model.numbers.get(name), name) for name in FAITHFULNESS)] for model in models
    ]
    notes = [
        "Both are differences of the decision's probability, means over the strongest 1, 5, 10, 20 and 50 % of the "
        "words (DeYoung et al. 2020). Comprehensiveness: how far it falls without these words; high means that the "
        "scores name what the decision hangs on. Sufficiency: how far it falls with these words alone; low means that "
        "they are enough. A confident model has further to fall.",
        _intervals_note("more faithful than the teacher's scores", "less"),
    ]
    return table("faithfulness", "Do the scores name what the decisions hang on?", columns, rows, *notes)


def teacher_table(results: Results) -> Table | None:
    """How alike each student's word scores and its teacher's are; None without students."""
    found = results.reasons
    if found is None or not found.students:
        return None
    columns = [
        Column("student", is_number=False),
        *(Column(title) for title in ("rank correlation", "overlap", "decided alike", "of these by other words")),
    ]
    rows = [
        [
            student.model,
            Cell(_number(student.rank_correlation.value), remark=_interval(student.rank_correlation)),
            Cell(percent_text(student.overlap.value), remark=percent_interval_text(student.overlap)),
            count_text(student.same_decisions),
            Cell(
                count_text(student.other_reasons),
                remark=percent_text(student.other_reasons / student.same_decisions) if student.same_decisions else "",
            ),
        ]
        for student in found.students
    ]
    notes = [
        "Rank correlation: Spearman's, of the scores of a text's words, the mean over the texts; 1 is the same order, "
        "0 none in common. Overlap: the share of the strongest fifth of the words that student and teacher have in "
        "common. Decided alike: by the teacher and by every seed of the student; by other words: with none of the "
        "strongest fifth in common. Small: 95 % intervals, by a bootstrap over the texts."
    ]
    return table("like-teacher", "Agreement with the teacher", columns, rows, *notes)


def other_reasons_table(results: Results) -> Table | None:
    """The texts that a student decides as its teacher does, by other words; None where there are none."""
    found = results.reasons
    rows: list[Row] = []
    for student in found.students if found else []:
        if student.listed:
            shown, total = len(student.listed), student.other_reasons
            counts = f"the {shown} least alike of {count_text(total)}" if shown < total else f"all {count_text(total)}"
            rows.append(Row((Cell(student.model, remark=counts),), is_heading=True))
            rows += [_same_decision_row(same) for same in student.listed]
    if not rows:
        return None
    columns = (
        Column("text", is_number=False),
        Column("both decide", is_number=False),
        Column("teacher's words", is_number=False),
        Column("student's words", is_number=False),
        Column("rank correlation"),
    )
    return Table("other-reasons", "The same decision by other words", columns, tuple(rows))


def explained_label(results: Results) -> str:
    """The class that positive word scores push towards; empty where nothing was explained."""
    return _label(results.reasons) if results.reasons else ""


def people_auprc(results: Results) -> dict[str, float]:
    """AUPRC against people's marks by model, to stand beside the metrics; empty where nobody marked any words."""
    return {} if results.reasons is None else _auprc(results.reasons)


def _left_out(found: Reasons) -> str:
    if not found.left_out:
        return ""
    reasons = (f"{shortened(reason, LONGEST_SOURCE)} ({count_text(count)})" for reason, count in found.left_out.items())
    return f" Left out: {'; '.join(reasons)}."


def _method(found: Reasons) -> str:
    label = _label(found)
    said = {
        "leave-one-out": f"Leave-one-out: a word's score is how far the log-odds of {label} fall without it "
        f"({IN_ODDS}); it is negative where they rise.",
        "integrated-gradients": f"Integrated gradients (Sundararajan et al. 2017): a word's score is its share, in "
        f"nats, of the change of the log-odds of {label} from a reference that says nothing ({IN_ODDS}).",
    }[found.method]
    settings = ", ".join(
        f"{shortened(name, LONGEST_NAME)} {shortened(value, LONGEST_SOURCE)}" for name, value in found.settings.items()
    )
    return f"{said} Settings: {settings}." if settings else said


def _people(found: Reasons) -> str:
    if not found.rationales:
        return (
            "Nobody marked words in these texts, so that nothing is said of agreement with people; the setting "
            "explanations.rationales names a file with such marks."
        )
    return f"People marked {count_text(found.marked_words)} of the words as what makes the texts {_label(found)}."


def _worth(found: Reasons) -> list[str]:
    """Why agreement with people decides nothing, with the word list's figure where there is one."""
    if not found.rationales:
        return ["They say how models decide, not whether they decide rightly."]
    said = [
        "A model can be right for reasons that people didn't mark, and a mere list of words, which understands "
        "nothing, can agree with people better than models do."
    ]
    measured = _auprc(found)
    models = {name: value for name, value in measured.items() if name not in BASELINES}
    if WORD_LIST in measured and models:
        best = max(models, key=lambda name: models[name])
        does = "does" if measured[WORD_LIST] > models[best] else "doesn't"
        said.append(
            f"Here the word list {does}: AUPRC {metric_text(measured[WORD_LIST])}, against {metric_text(models[best])} "
            f"of {shortened(best, LONGEST_NAME)}, the best model."
        )
    return said


def _auprc(found: Reasons) -> dict[str, float]:
    return {model.model: model.numbers["auprc"].value.value for model in found.models if "auprc" in model.numbers}


def _label(found: Reasons) -> str:
    return shortened(found.label, LONGEST_NAME)


def _intervals_note(better: str, worse: str) -> str:
    return (
        f"Means over the seeds; small: 95 % intervals, by a bootstrap over the texts. Changes know the chance of "
        f"seeds, too. ▲ {better}, ▼ {worse}, by so many hundredths: only where p < 0.05 after Holm's correction."
    )


def _name_cell(model: ModelReasons) -> Cell:
    return Cell(model.model, remark="no model" if model.model in BASELINES else "")


def _score_cell(score: ComparedScore | None, name: str) -> Cell:
    if score is None:
        return Cell(NOTHING)
    remark = _interval(score.value)
    if score.minus_teacher is not None and score.adjusted_p is not None and score.adjusted_p < SIGNIFICANCE:
        change = score.minus_teacher.value
        is_better = (change < 0) == (name in LOWER_IS_BETTER)
        remark += f"; {'▲' if is_better else '▼'} {points_text(change)}"
    return Cell(_number(score.value.value), remark=remark)


def _number(value: float) -> str:
    """With three decimals, and a true minus where it isn't 0."""
    text = metric_text(value)
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _interval(found: Estimate) -> str:
    low = _number(found.low)
    return f"{low}{' to ' if low.startswith('−') else '–'}{_number(found.high)}"


def _same_decision_row(same: SameDecision) -> Row:
    return Row(
        (
            Cell(shortened(same.text)),
            Cell(shortened(same.decided, LONGEST_NAME)),
            Cell(_words(same.teacher_words)),
            Cell(_words(same.student_words)),
            Cell(NOTHING if same.rank_correlation is None else _number(same.rank_correlation)),
        )
    )


def _words(words: Iterable[str]) -> str:
    return ", ".join(shortened(word, LONGEST_WORD) for word in words) or NOTHING
