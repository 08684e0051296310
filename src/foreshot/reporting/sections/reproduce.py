"""How to make the same again."""

from collections.abc import Iterator

from foreshot.reporting.section import Code, Prose, Section, Shown
from foreshot.reporting.sections.conditions import facts_table
from foreshot.reporting.tables import Column, Table, table
from foreshot.results.results import Results


def section(results: Results) -> Section:
    """The section: the command, what it made, and on what machine."""
    where = f"Made at {results.made.at}. The same numbers, unrounded, stand in results.json beside this file."
    return Section(
        "reproduce",
        "Reproduce",
        "How to reproduce",
        [
            Code(results.command),
            Prose(where, only="markdown"),
            *([Prose(registered(results))] if results.made.registered else []),
            Shown(folders_table(results), "wordy", titled=True),
            Shown(environment_table(results), "facts", titled=True),
        ],
    )


def registered(results: Results) -> str:
    """When it was written down what these results are judged by, and what changed since."""
    known, changed = results.made.registered, results.made.changed
    assert known is not None
    when = (
        f"on {known.at[:10]}, after models were trained"
        if known.after_training
        else f"on {known.at[:10]}, before training"
    )
    since = f"Since then changed: {'; '.join(changed)}." if changed else "Nothing of it changed since."
    return f"Margins, suite, decision, recipes and seeds were written down {when} (registration.json). {since}"


def folders_table(results: Results) -> Table:
    """Where each trained model stands in the run's folder."""
    columns = [
        Column("model", is_number=False),
        Column("seed"),
        Column("folder", is_number=False),
        Column("fingerprint", is_number=False),
    ]
    rows = [[run.model, str(run.seed), run.folder, run.fingerprint] for run in results.models]
    return table("folders", "What was made", columns, rows)


def environment_table(results: Results) -> Table:
    """Versions and machine."""
    rows = [(name.replace("_", " "), value) for name, value in _flattened(results.made.environment)]
    return facts_table("environment", "Versions and machine", rows)


def _flattened(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flattened(inner, f"{path} {name}".strip() if path != "versions" else str(name))
    elif value is not None:
        yield path, {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
