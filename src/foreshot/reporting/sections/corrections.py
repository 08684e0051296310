"""Corrections: what people said is right, and how the models do on those of them that nothing learnt from."""

from foreshot.reporting.behaviour import LONGEST_NAME
from foreshot.reporting.section import Prose, Section, blocks, shown
from foreshot.reporting.tables import NOTHING, Cell, Column, Row, Table, models_of, percent_interval_text, percent_text
from foreshot.reporting.texts import shortened
from foreshot.results.corrections import CorrectionResult, Corrections, CorrectionShare
from foreshot.results.results import Results

PARTS = {"train": "training", "validation": "validation", "test": "test"}


def section(results: Results) -> Section | None:
    """The section: what was corrected, and every model on the corrections that were held out."""
    found = results.corrections
    if found is None:
        return None
    grid = corrections_table(results, found)
    none = Prose("None of them is held out, so nothing tells how the models do on corrections.", "note")
    given = blocks(Prose(_told(found)), shown(grid, "heat") or none)
    return Section("corrections", "Corrections", "What people corrected", given)


def corrections_table(results: Results, found: Corrections) -> Table | None:
    """Model × class: the share of held-out corrections that are right; None where none was held out."""
    if not found.models:
        return None
    classes = [name for name in results.data.classes if any(name in model.by_class for model in found.models)]
    names = [model.name for model in models_of(results)]
    by_model = {model.model: model for model in found.models}
    rows = [_row("before", "what was said then", found.before, classes)] if found.before else []
    rows += [_row(name, "", by_model.get(name), classes) for name in names]
    columns = (
        Column("model", is_number=False),
        Column("all"),
        *(Column(shortened(name, LONGEST_NAME), group="by what is right") for name in classes),
    )
    several = results.data.label_names is not None
    right = "every label of it is" if several else "its class is"
    notes = (
        f"The share of the held-out corrections that a model gets right, by its own thresholds: a text is right when "
        f"{right}. Wilson's 95 % interval below, and how many corrections there are.",
        "Corrections are what somebody looked at twice, mostly because it was wrong: no sample of what comes in.",
    )
    return Table("corrections", "Held-out corrections", columns, tuple(rows), notes)


def _row(name: str, remark: str, found: CorrectionResult | None, classes: list[str]) -> Row:
    shares = (
        [None] * (1 + len(classes)) if found is None else [found.all, *(found.by_class.get(one) for one in classes)]
    )
    return Row((Cell(shortened(name, LONGEST_NAME), remark=remark), *map(_cell, shares)))


def _cell(found: CorrectionShare | None) -> Cell:
    if found is None:
        return Cell(NOTHING)
    return Cell(
        percent_text(found.right.value),
        remark=f"{percent_interval_text(found.right)} of {found.rows:,}",
        share=found.right.value,
    )


def _told(found: Corrections) -> str:
    """Where they come from, what they are of, and what became of them, in words."""
    places = [f"{count:,} of {PARTS.get(name, name)} rows" for name, count in found.of_part.items() if count]
    places += [f"{found.added:,} of texts that are not in the data"] if found.added else []
    sentences = [
        f"{found.read:,} corrections of {found.texts:,} texts from {shortened(found.source)}: "
        f"{', '.join(places) or 'none can be used'}.",
        f"{found.overruled:,} rows of the data have another answer now.",
        f"{found.learnt:,} are learnt, and each counts {found.weight:g} times; {found.held_out:,} are held out.",
    ]
    if found.of_part.get("test"):
        sentences.append("Those of test rows correct the test, and nothing learns from them either.")
    if found.contradicted:
        sentences.append(f"{found.contradicted:,} are contradicted by a later one, which counts.")
    sentences += [f"{count:,} left out {reason}." for reason, count in found.left_out.items()]
    return " ".join(sentences)
