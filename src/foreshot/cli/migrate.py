"""`foreshot migrate`: stored scores of Perspective's beside a bundle's; in words, as tables, and as JSON."""

import json
import shlex
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from foreshot.cli.exits import interruption_as_one_line
from foreshot.cli.options import Quoting, Separator
from foreshot.progress import Terminal
from foreshot.reporting.texts import shortened, visible
from foreshot.results.base import Estimate

if TYPE_CHECKING:
    from foreshot.perspective.migrate import Disagreement, Migration
    from foreshot.results.scores import AtThreshold, FlagAgreement

LONGEST_NAME = 30
LONGEST_TEXT = 200


def migrate_command(
    stored: Annotated[
        Path, typer.Argument(help="CSV, TSV, JSONL or Parquet file of texts with the scores that Perspective gave.")
    ],
    model: Annotated[Path, typer.Option(help="A bundle's folder, or ready: the model that comes with Foreshot.")],
    text: Annotated[str | None, typer.Option(help="Column with the texts.")] = None,
    score: Annotated[str | None, typer.Option(help="Column with Perspective's scores, 0 to 1.")] = None,
    label: Annotated[str | None, typer.Option(help="The label of a multi-label bundle; else the judged one.")] = None,
    threshold: Annotated[
        list[str] | None, typer.Option(help="Thresholds in use with Perspective, by comma; else 0.5,0.7,0.9.")
    ] = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave out rows without text or score, and count them.")
    ] = False,
    worst: Annotated[int, typer.Option(min=0, help="How many of the worst disagreements to show, each way.")] = 10,
    out: Annotated[
        Path | None, typer.Option(help="File for all rows with both scores; its name says the format.")
    ] = None,
    separator: Separator = None,
    quoting: Quoting = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a report.")] = False,
) -> None:
    """Compare stored Perspective scores with a bundle's, and find the thresholds that keep the flag rate."""
    with interruption_as_one_line(None):
        from foreshot.perspective.migrate import migrate, parse_thresholds

        found = migrate(
            stored,
            model,
            text=text,
            score=score,
            label=label,
            thresholds=parse_thresholds(threshold),
            skip_bad_rows=skip_bad_rows,
            worst=worst,
            out=out,
            separator=separator,
            quoting=quoting,
            progress=Terminal(Console(stderr=True, highlight=False)),
        )
        if as_json:
            typer.echo(migration_json(found))
        else:
            print_migration(found, Console(highlight=False))


# ---- what was found ----


def migration_json(found: "Migration") -> str:
    """All the numbers; other letters than ASCII are escaped, so that no terminal obeys them."""
    return json.dumps(found.model_dump(mode="json"), indent=1, allow_nan=False)


def print_migration(found: "Migration", console: Console) -> None:
    """Print what it means, then the thresholds, the worst disagreements, and what agreement doesn't say."""
    for announcement in found.announcements:
        console.print(Text(visible(announcement), style="dim"))
    for sentence in _sentences(found):
        console.print(Text(sentence))
    console.print()
    console.print(_thresholds(found))
    for title, rows in ((f"{_name(found)} scores higher", found.higher), (f"{_name(found)} scores lower", found.lower)):
        if rows:
            console.print()
            console.print(_disagreements(title, rows))
    console.print()
    for note in _notes(found):
        console.print(Text(note, style="dim"))
    console.print()
    for sentence in _behaviour(found):
        console.print(Text(sentence, style="bold"))


def _name(found: "Migration") -> str:
    return shortened(found.model, LONGEST_NAME)


# ---- in words ----


def _sentences(found: "Migration") -> Iterator[str]:
    correlations = {"Spearman": found.agreement.spearman, "Pearson": found.agreement.pearson}
    known = [f"{name} {_number_with_interval(one)}" for name, one in correlations.items() if one]
    said = ", ".join(known) if known else f"No correlation: {_name(found)} gives every one of them the same score"
    yield f"{said}, on {found.rows:,} comments of {visible(found.stored)}."
    if found.skipped_rows:
        yield f"{found.skipped_rows:,} rows without text or score were left out."
    if found.truncated:
        yield f"{found.truncated:,} texts are longer than {_name(found)} reads; their ends were not looked at."
    for one in found.agreement.thresholds:
        yield f"At Perspective's {_exactly(one.threshold)} {_in_words(found, one)}"


def _in_words(found: "Migration", one: "AtThreshold") -> str:
    if one.kept is None or one.kept_threshold is None:
        which = "none" if one.flagged.value == 0 else "every one"
        return f"your team flagged {which} of them: there is no rate to keep."
    kept, rate = one.kept, f"your team flagged {_percent(one.flagged.value)} of them"
    number = _exactly(one.kept_threshold.value)
    decimals = max(2, len(number.partition(".")[2]))
    interval = f"({one.kept_threshold.low:.{decimals}f} to {one.kept_threshold.high:.{decimals}f})"
    moved = (
        f"of 1,000 comments {_per_thousand(kept.newly_flagged.value)} would then be flagged that were not, and "
        f"{_per_thousand(kept.no_longer_flagged.value)} no longer."
    )
    if kept.flagged.value == one.flagged.value:
        return f"{rate}; flag at {number} {interval} with {_name(found)} to keep that: {moved}"
    return (
        f"{rate}; no threshold of {_name(found)} keeps that, since it gives many comments equal scores. The nearest is "
        f"{number} {interval}, which flags {_percent(kept.flagged.value)}: {moved}"
    )


def _behaviour(found: "Migration") -> Iterator[str]:
    yield "Agreement with Perspective is not being right: where the two differ, either may be wrong."
    if found.suite is None or found.suite_result is None:
        yield (
            f"What {_name(found)} does with sentences is unknown, since its bundle has no suite's result; look with: "
            f"foreshot check {visible(shlex.quote(found.bundle))}"
        )
        return
    result = found.suite_result
    sides = ", ".join(f"{shortened(name, LONGEST_NAME)} {_share(share)}" for name, share in result.by_label.items())
    yield (
        f"On the suite {shortened(found.suite.name, LONGEST_NAME)} ({found.suite.cases:,} cases) {_name(found)} gets "
        f"{_share(result.accuracy)} right: {sides}."
    )


def _notes(found: "Migration") -> Iterator[str]:
    yield (
        "Spearman: 1 where both put the comments in the same order, 0 where their orders have nothing in common. "
        "Pearson: likewise for the scores themselves."
    )
    yield (
        f"Flagged: the score, P({shortened(found.positive, LONGEST_NAME)}), reaches the threshold. Equal: both flag "
        "or neither does; kappa is that beyond chance. Newly and no longer: how many of 1,000 comments only one of the "
        "two flags."
    )
    yield (
        "95 % intervals: Wilson's for shares, else a bootstrap over the rows; they tell what other comments of the "
        "same kind would change."
    )


# ---- in tables ----


def _thresholds(found: "Migration") -> Table:
    table = _table()
    table.add_column("Perspective")
    table.add_column(Text(f"{_name(found)} flags by"), overflow="fold")
    for title in ("flagged", "equal", "kappa", "newly", "no longer"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in found.agreement.thresholds:
        table.add_row(_exactly(one.threshold), "(what was flagged)", _percent(one.flagged.value))
        own = "the likeliest class" if one.own.threshold is None else f"{one.own.threshold:.3f}"
        table.add_row("", f"its own decision, {own}", *_numbers(one.own))
        table.add_row("", f"the same number, {_exactly(one.threshold)}", *_numbers(one.same))
        if one.kept and one.kept_threshold:
            table.add_row("", f"the same rate, {_exactly(one.kept_threshold.value)}", *_numbers(one.kept))
        table.add_section()
    return table


def _numbers(flags: "FlagAgreement") -> tuple[str, ...]:
    return (
        _percent(flags.flagged.value),
        _percent(flags.equal.value),
        "–" if flags.kappa is None else f"{flags.kappa.value:z.2f}",
        _per_thousand(flags.newly_flagged.value),
        _per_thousand(flags.no_longer_flagged.value),
    )


def _disagreements(title: str, rows: Sequence["Disagreement"]) -> Table:
    table = _table()
    for name in ("row", "Perspective", "now"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(Text(title), overflow="fold")
    for one in rows:
        text = Text(shortened(one.text, LONGEST_TEXT))
        table.add_row(f"{one.row}", f"{one.stored:.2f}", f"{one.new:.2f}", text)
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="")


# ---- numbers as text ----


def _number_with_interval(one: Estimate) -> str:
    return f"{one.value:z.2f} ({one.low:z.2f} to {one.high:z.2f})"


def _share(one: Estimate) -> str:
    return f"{one.value:.0%} ({one.low:.0%} to {one.high:.0%})"


def _exactly(threshold: float) -> str:
    """All decimals, since a rounded threshold flags other comments."""
    return f"{Decimal(repr(threshold)):f}"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _per_thousand(share: float) -> str:
    """Of 1,000 comments, how many; neither "0" nor "1,000" unless it is exactly that."""
    if 0 < share < 0.0005:
        return "<1"
    return ">999" if 0.9995 <= share < 1 else f"{share * 1000:,.0f}"
