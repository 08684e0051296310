"""The flip ledger in the report: the texts on which a student decides otherwise than the teacher."""

from dataclasses import dataclass

from foreshot.judging.flips import BY_HARM, NEWLY_FLAGGED, NEWLY_MISSED, NEWLY_WRONG
from foreshot.reporting.behaviour import LONGEST_NAME
from foreshot.reporting.section import Own, Section, blocks, shown
from foreshot.reporting.tables import Cell, Column, Row, Table, count_text, models_of, table
from foreshot.reporting.texts import shortened
from foreshot.results.behaviour import Flip
from foreshot.results.results import Results

FIRST_SHOWN = 50
"""Flips that the page shows before it is asked for all, and that Markdown and paper hold."""
HARMFUL = (NEWLY_MISSED, NEWLY_WRONG, NEWLY_FLAGGED)
LONGEST_LABEL = 40


def section(results: Results) -> Section | None:
    """The section: how many decisions changed, and which."""
    counts, first = counts_table(results), ledger_table(results)
    if first is None:
        return None
    given = {"ledger": lines(results), "choices": choices(results), "total": total(results)}
    return Section(
        "ledger",
        "Flip ledger",
        "Flip ledger: where a student decides otherwise than the teacher",
        blocks(shown(counts), Own("ledger.html.j2", given, blocks(shown(first)))),
        script="ledger.js",
    )


@dataclass(frozen=True)
class Line:
    """A flip as it is shown: all texts shortened, the scores as text."""

    text: str
    label: str
    model: str
    kind: str
    part: str
    row: int
    is_harmful: bool
    scores: tuple[str, str]  # the teacher's, the student's
    seeds: str

    @property
    def sign(self) -> str:
        """Beside the kind, so that colour is not all that tells harm from gain."""
        return "▼" if self.is_harmful else "▲"


def lines(results: Results) -> list[Line]:
    """The flips, the most harmful first."""
    return [_line(flip) for flip in results.flips]


def choices(results: Results) -> dict[str, list[str]]:
    """What the filters offer: the models, kinds and parts that occur."""
    flips = results.flips
    return {
        "model": [model.name for model in models_of(results) if any(flip.model == model.name for flip in flips)],
        "kind": [kind for kind in BY_HARM if any(flip.kind == kind for flip in flips)],
        "part": [part for part in ("test", "suite", "probes") if any(flip.part == part for flip in flips)],
    }


def counts_table(results: Results) -> Table | None:
    """How many flips of each kind every student has; None where nothing flipped."""
    kinds = [kind for kind in BY_HARM if any(kind in found for found in results.flip_counts.values())]
    if not kinds:
        return None
    columns = [Column("model", is_number=False), *(Column(kind) for kind in kinds)]
    rows = [
        [Cell(model), *(count_text(found.get(kind, 0)) for kind in kinds)]
        for model, found in results.flip_counts.items()
    ]
    return table("flip-counts", "Changed decisions", columns, rows, *notes(results))


def ledger_table(results: Results) -> Table | None:
    """The first flips as an ordinary table, for Markdown; None where nothing flipped."""
    if not results.flips:
        return None
    columns = [
        Column("text", is_number=False),
        Column("label", is_number=False),
        Column("model", is_number=False),
        Column("change", is_number=False),
        Column("where", is_number=False),
        Column("teacher"),
        Column("student"),
        Column("seeds"),
    ]
    rows = [
        Row(
            (
                Cell(line.text),
                Cell(line.label),
                Cell(line.model),
                Cell(line.kind),
                Cell(f"{line.part} {line.row}"),
                *(Cell(score) for score in line.scores),
                Cell(line.seeds),
            )
        )
        for line in lines(results)[:FIRST_SHOWN]
    ]
    note = (
        f"The {len(rows)} most harmful of {total(results):,}; flips.csv has all."
        if total(results) > len(rows)
        else "All of them, the most harmful first."
    )
    return Table("ledger", "Flip ledger", tuple(columns), tuple(rows), (note,))


def total(results: Results) -> int:
    """How many decisions changed in all, over students and parts."""
    return sum(count for found in results.flip_counts.values() for count in found.values())


def notes(results: Results) -> list[str]:
    """What must be known to read the ledger."""
    positive = results.data.positive
    score = f"the probability of {shortened(positive, LONGEST_NAME)}" if positive else "the probability of the label"
    meant = (
        f"Newly missed: a {shortened(positive, LONGEST_NAME)} text that the teacher flags and the student doesn't; "
        "newly flagged: a harmless one the other way round; newly caught and newly cleared are changes for the better."
        if positive
        else "Newly wrong: the teacher is right and the student isn't; newly right: the other way round."
    )
    return [meant, f"Scores are {score}, temperature-scaled; a student's is the mean over its seeds."]


def _line(flip: Flip) -> Line:
    return Line(
        text=shortened(flip.text),
        label=shortened(flip.label, LONGEST_LABEL) or "no label",
        model=flip.model,
        kind=flip.kind,
        part=flip.part,
        row=flip.row,
        is_harmful=flip.kind in HARMFUL,
        scores=(f"{flip.teacher_score:.2f}", f"{flip.student_score:.2f}"),
        seeds=f"{flip.seeds_flipped}/{flip.seeds}",
    )
