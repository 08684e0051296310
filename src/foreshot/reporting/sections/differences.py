"""How sure the differences are: every student against the teacher as a forest plot, and every pair in a table."""

from functools import partial

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from foreshot.judging.evidence import (
    MEASURES,
    METRIC,
    PROBES,
    PROBES_POSITIVE,
    SEALED,
    SEALED_POSITIVE,
    SUITE,
    SUITE_POSITIVE,
)
from foreshot.judging.statistics import turned
from foreshot.reporting.behaviour import behaviours, suite_shares
from foreshot.reporting.drawing import BLUE, INK, ORANGE, PAPER, Drawing, name_rows, styled
from foreshot.reporting.judgement import measure_name
from foreshot.reporting.measures import known_measures, range_cell
from foreshot.reporting.section import Drawings, Prose, Section, blocks, shown
from foreshot.reporting.tables import (
    Cell,
    Column,
    Mark,
    Row,
    Table,
    margin_text,
    model_cell,
    models_of,
    p_text,
    points_interval_text,
    points_text,
    reference_of,
    seed_count,
    table,
)
from foreshot.reporting.texts import shortened
from foreshot.results.results import Results
from foreshot.results.verdict import Comparison

LONGEST_LABEL = 24
MARGINS = {METRIC: "metric_margin"} | dict.fromkeys((SUITE, SUITE_POSITIVE, SEALED, SEALED_POSITIVE), "suite_margin")
OUTCOMES: dict[str, tuple[str, Mark]] = {
    "better": ("▲ better", "good"),
    "worse": ("▼ worse", "bad"),
    "not distinguishable": ("= not distinguishable", ""),
}


MOST_OPEN = 24  # pairs in a table that isn't folded


def section(results: Results) -> Section | None:
    """The section: students against the teacher, every pair, and the spread over the seeds."""
    pairs, ranges, forests = pairs_table(results), range_table(results), forest_plots(results)
    if pairs is None and ranges is None:
        return None
    legend = (
        "Student minus teacher in percentage points, with 95 % intervals. The full line is no difference, the broken "
        "one the verdict's margin. Filled: the whole interval lies above minus the margin; hollow: it reaches below."
    )
    if results.file_comparisons:
        legend += " Each student is the file that the verdict is about: its seed that is best on the validation rows."
    if results.mending is not None:
        legend += " A mended student's teacher is the one that it is held against."
    return Section(
        "differences",
        "Differences",
        "How sure the differences are",
        blocks(
            [Prose(legend, only="html"), Drawings(forests)] if forests else None,
            shown(pairs, "pairs", folded="open" if pairs and len(pairs.rows) <= MOST_OPEN else "closed"),
            shown(ranges, "ranges", titled=True),
        ),
    )


def against_teacher(results: Results, measure: str) -> list[Comparison]:
    """Every student minus the teacher that it is held against, in one measure and in the students' order: of the files
    that the verdict is about.

    Empty where it wasn't measured. A mended teacher stands among them, minus the teacher without mending.
    """
    found = []
    for model in (model for model in models_of(results) if not model.is_baseline):
        reference = reference_of(results, model.name)
        for compared in results.file_comparisons or results.comparisons:
            if compared.measure == measure and {compared.first, compared.second} == {model.name, reference}:
                found.append(compared if compared.first == model.name else turned(compared))
    return found


def forest_plots(results: Results) -> list[Drawing]:
    """A panel for each measure that the verdict asks about (the probes where there is no suite)."""
    of_suite = (METRIC, SUITE, SUITE_POSITIVE, SEALED, SEALED_POSITIVE)
    measures = of_suite if results.suite else (METRIC, PROBES, PROBES_POSITIVE)
    drawings = []
    for number, measure in enumerate(measures):
        found = against_teacher(results, measure)
        if not found:
            continue
        margin = results.verdict.margins.get(MARGINS[measure]) if measure in MARGINS else None
        drawings.append(
            Drawing(
                title=measure_name(results, measure),
                remark=f"margin {margin_text(margin)}" if margin else "",
                description=f"{measure_name(results, measure)}, student minus teacher in percentage points: "
                + "; ".join(
                    f"{one.first} {points_text(one.difference.value)} ({points_interval_text(one.difference)})"
                    for one in found
                ),
                figure=partial(_forest_figure, found, margin),
                prefix=f"forest{number}",
            )
        )
    return drawings


def pairs_table(results: Results) -> Table | None:
    """Every pair of models in every measure; None with one model."""
    if not results.comparisons:
        return None
    has_mcnemar = any(found.mcnemar_p is not None for found in results.comparisons)
    columns = [
        Column("first − second", is_number=False),
        Column("difference"),
        Column("95 % interval"),
        Column("Holm p"),
        Column("the first is", is_number=False),
        *([Column("McNemar p")] if has_mcnemar else []),
    ]
    rows: list[Row] = []
    for measure in MEASURES:
        found = [compared for compared in results.comparisons if compared.measure == measure]
        if found:
            rows.append(Row((Cell(measure_name(results, measure)),), is_heading=True))
            rows += [_pair_row(compared, has_mcnemar=has_mcnemar) for compared in found]
    over_seeds = (
        " Models of several seeds are compared in the mean over these, and the interval knows the chance of training "
        "as well (Student's, with Welch's degrees of freedom): this is about recipes, against this very teacher."
    )
    notes = [
        "Differences are in percentage points, by a paired bootstrap: test rows (cases of one template together) are "
        f"drawn anew for all models and seeds at once.{over_seeds if seed_count(results) > 1 else ''} Holm's "
        "correction is over the pairs of a model and what it is held against, and over the other pairs, of one "
        "measure; better and worse mean p < 0.05 after it."
    ]
    if any(model.is_baseline for model in models_of(results)):
        notes.append("The pairs with the baseline are corrected by themselves; the verdict doesn't look at them.")
    if has_mcnemar:
        notes.append(
            "McNemar's exact test is for two models of one seed each. It asks whether one is right more often, in "
            "macro-F1 too."
        )
    return Table("pairs", "Every pair of models", tuple(columns), tuple(rows), tuple(notes))


def _pair_row(compared: Comparison, *, has_mcnemar: bool) -> Row:
    words, mark = OUTCOMES[compared.outcome]
    cells = [
        Cell(f"{compared.first} − {compared.second}"),
        Cell(points_text(compared.difference.value)),
        Cell(points_interval_text(compared.difference)),
        Cell(p_text(compared.adjusted_p)),
        Cell(words, mark=mark),
    ]
    if has_mcnemar:
        cells.append(Cell("–" if compared.mcnemar_p is None else p_text(compared.mcnemar_p)))
    return Row(tuple(cells))


def _forest_figure(found: list[Comparison], margin: float | None) -> Figure:
    """Filled: the interval lies above minus the margin. The dashed line is minus the margin, the full one zero."""
    with styled():
        figure = Figure(figsize=(3.5, 0.55 + 0.26 * len(found)), layout="constrained")
        axes = figure.add_subplot()
        for row, compared in enumerate(found):
            difference = compared.difference
            is_within = margin is None or difference.low >= -margin
            colour = BLUE if is_within else ORANGE
            axes.plot([difference.low * 100, difference.high * 100], [row, row], color=colour, linewidth=2)
            axes.plot(
                [difference.value * 100], [row], color=colour, marker="o", markersize=6,
                markerfacecolor=colour if is_within else PAPER, markeredgewidth=1.6,
            )  # fmt: skip
        axes.axvline(0, color=INK, linewidth=0.9)
        if margin:
            axes.axvline(-margin * 100, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
        reach = max(abs(bound) for one in found for bound in (one.difference.low, one.difference.high)) * 100
        reach = max(reach, (margin or 0) * 100, 1.0)
        lowest = min(0.0, *(one.difference.low * 100 for one in found), -(margin or 0) * 100)
        highest = max(0.0, *(one.difference.high * 100 for one in found))
        axes.set_xlim(lowest - 0.06 * reach, highest + 0.06 * reach)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")
        )
        name_rows(axes, [shortened(compared.first, LONGEST_LABEL) for compared in found])
        axes.grid(axis="x")
    return figure


def range_table(results: Results) -> Table | None:
    """The least and the greatest value over the seeds, and the mean's interval; None with one seed."""
    if seed_count(results) < 2:
        return None
    models = [model for model in models_of(results) if len(model.runs) > 1]
    measures = known_measures(results, models)
    counts = behaviours(results)
    columns = [
        Column("model", is_number=False),
        Column("seeds"),
        *(Column(title, group=group) for _, title, group, _ in measures),
        *(Column(f"{count.title} (of {count.of})" if count.of else count.title, group="behaviour") for count in counts),
    ]
    rows = [
        [
            model_cell(model),
            str(len(model.runs)),
            *(range_cell(model.summary.spreads.get(name), form) for name, _, _, form in measures),
            *(count.range(model) for count in counts),
        ]
        for model in models
    ]
    notes = [
        "Above, the least and the greatest value over the seeds; below, Student's 95 % interval of the mean, which "
        "knows the chance of training alone and not that of the test rows."
    ]
    if suite_shares(results):
        notes.append("For the suite it is Wilson's 95 % interval of the mean over the seeds.")
    return table("range", "Over the seeds", columns, rows, *notes)
