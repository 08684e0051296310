"""What was the same for every model: settings and data."""

from foreshot.reporting.section import Bullets, Prose, Section, Shown, blocks
from foreshot.reporting.tables import Column, Table, count_text, learning_rate_text, models_of, table
from foreshot.reporting.texts import shortened
from foreshot.results.results import Conditions, Results


def section(results: Results) -> Section:
    """The section: settings and data, and what was said while these were read."""
    said = [shortened(announcement) for announcement in results.data.announcements]
    return Section(
        "conditions",
        "Conditions",
        "Conditions",
        blocks(
            Shown(conditions_table(results), "facts", titled=True),
            Shown(data_table(results), "wordy", titled=True),
            [Prose("Said while the data were read:"), Bullets(said)] if said else None,
        ),
    )


def conditions_table(results: Results) -> Table:
    """What was the same for every model."""
    given = results.conditions
    own = "" if all(model.is_matched for model in models_of(results)) else "; of those that are not matched, their own"
    rows = [
        ("seeds", ", ".join(map(str, given.seeds))),
        ("epochs", str(given.epochs)),
        ("updates", count_text(given.steps)),
        ("batch size", _batches_text(given)),
        ("longest text", f"{given.max_length} tokens"),
        ("learning rate", learning_rate_text(given.learning_rate) + own),
        ("optimizer", given.optimizer),
        ("trained on", _devices_text(given)),
        ("classification loss", given.classification.described()),
        ("distillation", given.distillation.described()),
        ("LoRA", f"rank {given.lora_rank}, alpha {given.lora_alpha}, dropout {given.lora_dropout:g}"),
        (
            "encoder",
            f"{results.encoder.name} ({results.encoder.architecture}, {results.encoder.layers} layers of "
            f"width {results.encoder.hidden_size}; fingerprint {results.encoder.fingerprint})",
        ),
    ]
    return facts_table("conditions", "The same for every model", rows)


def _batches_text(given: Conditions) -> str:
    if given.accumulate == [1]:
        return str(given.batch_size)
    return f"{given.batch_size}, each computed in {' or '.join(map(str, given.accumulate))} parts"


def _devices_text(given: Conditions) -> str:
    several = "; the run went on on another device, so times can't be compared" if len(given.devices) > 1 else ""
    return f"{' and '.join(given.devices)}, in {given.precision}{several}"


def data_table(results: Results) -> Table:
    """The rows of each part, class by class, or label by label."""
    data = results.data
    counted = data.label_names or data.classes
    columns = [
        Column("part", is_number=False),
        Column("source", is_number=False),
        *(Column(shortened(name, 40), group="label" if data.label_names else "class") for name in counted),
        Column("rows"),
        Column("duplicates removed"),
    ]
    rows = [
        [
            name,
            shortened(part.source, 80),
            *(count_text((part.label_counts or part.class_counts).get(name, 0)) for name in counted),
            count_text(part.rows),
            count_text(data.duplicates_removed.get(name, 0)),
        ]
        for name, part in data.parts.items()
    ]
    label_column = f"label column {shortened(data.label_column, 80)}"
    if data.label_names:
        in_one = data.label_column not in data.label_names
        kind = f"labels in {label_column}" if in_one else "label columns"
        label_column = f"{len(data.label_names)} {kind}, of which a row can have several"
    notes = [
        f"Text column {shortened(data.text_column, 80)}, {label_column}"
        + (
            f"; {shortened(data.positive, 80)} is the {'label' if data.label_names else 'class'} to flag."
            if data.positive
            else "; no class is the one to flag."
        ),
        f"Normalisation: {data.normalisation}.",
        f"Left out: {data.label_conflicts:,} rows whose text stands there with different labels, "
        f"{data.skipped_rows:,} bad rows.",
        f"Fingerprint of the data: {data.fingerprint}.",
    ]
    return table("data", "The data", columns, rows, *notes)


def facts_table(key: str, title: str, rows: list[tuple[str, str]]) -> Table:
    columns = [Column("", is_number=False), Column("", is_number=False)]
    return table(key, title, columns, rows)
