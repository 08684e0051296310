"""Evasion: what share of the toxic texts that a model catches gets past it when the words are disguised."""

from foreshot.reporting.behaviour import LONGEST_NAME, behaviours
from foreshot.reporting.section import Section, Shown
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    Row,
    Table,
    heading,
    models_of,
    percent_interval_text,
    percent_text,
)
from foreshot.reporting.texts import shortened
from foreshot.results.behaviour import EvasionResult
from foreshot.results.results import Results

KINDS = {
    None: "",
    False: "Disguises that nothing was trained with",
    True: "Disguises that mended models were trained with",
}
"""By whether models were mended with them; None where none was mended."""


def section(results: Results) -> Section | None:
    """The section: what escapes each model when it is disguised."""
    found = evasion_table(results)
    return None if found is None else Section("evasion", "Evasion", found.title, [Shown(found, "heat")])


def evasion_table(results: Results) -> Table | None:
    """Perturbation × model: the share that escapes, its interval, of how many rows; None where nothing was tried."""
    if not any(results.evasion.values()):
        return None
    models = models_of(results)
    by_model = {
        model.name: {found.perturbation: found for found in results.evasion.get(model.name, [])} for model in models
    }
    trained = {found.perturbation: found.trained for of_model in results.evasion.values() for found in of_model}
    rows: list[Row] = []
    for kind, title in KINDS.items():
        names = [name for name, is_trained in trained.items() if is_trained is kind]
        rows += [heading(title)] if names and title else []
        rows += [
            Row((Cell(name.replace("_", " ")), *(_cell(by_model[model.name].get(name)) for model in models)))
            for name in names
        ]
    for beside in behaviours(results)[:1]:
        rows += [heading("Undisguised")] if any(row.is_heading for row in rows) else []
        rows.append(
            Row(
                (
                    Cell(beside.title, remark="undisguised, for comparison"),
                    *(Cell(beside.text(model)) for model in models),
                )
            )
        )
    positive = shortened(results.data.positive or "positive", LONGEST_NAME)
    notes = (
        f"Of the {positive} test rows that a model catches, the share that it misses once their words are disguised "
        "so that a person still reads them; Wilson's 95 % interval below, and how many rows were caught and changed.",
        "Lower is better; orange: more than half escapes. A model that catches few rows has little to lose: read it "
        "beside the recall.",
    )
    columns = (Column("disguise", is_number=False), *(Column(model.name) for model in models))
    return Table("evasions", "What escapes when it is disguised", columns, tuple(rows), notes)


def _cell(found: EvasionResult | None) -> Cell:
    if found is None or found.rows == 0:
        return Cell(NOTHING, remark="no rows" if found else "")
    escaped = found.escaped
    return Cell(
        percent_text(escaped.value),
        remark=f"{percent_interval_text(escaped)} of {found.rows:,}",
        share=1 - escaped.value,
    )
