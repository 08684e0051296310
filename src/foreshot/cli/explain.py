"""`foreshot explain`: each word's score, as marked text, as JSON lines, or as a page."""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from foreshot.cli.exits import interruption_as_one_line
from foreshot.cli.options import Quoting, Separator, by_comma, source_among
from foreshot.errors import ConfigError, DataError
from foreshot.files.atomic import write_atomically
from foreshot.progress import Progress, Silent, Terminal, printable
from foreshot.reporting.texts import shortened
from foreshot.settings.dialect import AskedDialect, asked_dialect

if TYPE_CHECKING:
    from foreshot.explaining.explain import Explanation
    from foreshot.reporting.marked_words import Piece

MOST_ON_PAGE = 1000
"""Texts; a page of more would be too much for a browser."""
TERMINAL_STYLES = {
    # Black on a colour of our own can be read on a light and on a dark terminal; bold and italic need no colour.
    "towards": ("underline", "black on #ffd9a8", "bold black on #ffb057"),
    "away": ("italic", "italic black on #cfe6f8", "bold italic black on #86c5f2"),
}


def explain_command(
    model: Annotated[
        str, typer.Argument(help="A classifier: a bundle, ready, a student's folder, any model folder, or a hub id.")
    ],
    inputs: Annotated[
        list[str], typer.Argument(help="Texts; or a CSV, TSV, JSONL, Parquet or .txt file; or - for a stream.")
    ],
    method: Annotated[
        str, typer.Option(help="leave-one-out, or integrated-gradients (not for bundles).")
    ] = "leave-one-out",
    label: Annotated[
        str | None, typer.Option(help="The label to explain; else what each text is decided to be.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="The model's class that counts as toxic, or the label to judge.")
    ] = None,
    baselines: Annotated[
        str | None, typer.Option(help="For gradients, by comma: mask, pad, zero, mean; else mask,pad,zero.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="For gradients: points on the way from a baseline; else 32.")
    ] = None,
    most_words: Annotated[int, typer.Option(help="Words of a text that are scored.")] = 200,
    text: Annotated[str | None, typer.Option(help="Column with the texts.")] = None,
    stream: Annotated[str, typer.Option(help="What a stream holds: lines, csv, tsv or jsonl.")] = "lines",
    separator: Separator = None,
    quoting: Quoting = None,
    file: Annotated[str | None, typer.Option(help="Which of a bundle's graphs: model.onnx or model.int8.onnx.")] = None,
    problem_type: Annotated[
        str | None, typer.Option(help="single-label or multi-label, where a model's config.json doesn't say.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with the words marked to this file.")] = None,
) -> None:
    """Score each word of texts: does it push the model towards what it decides, or away from it?"""
    with interruption_as_one_line(None):
        source = source_among(inputs, "explain")
        dialect = asked_dialect(separator, quoting)
        if html is not None and as_json:
            raise ConfigError("--html: writes a page, and --json lines; give one of them")
        from foreshot.explaining.explain import Explainer
        from foreshot.explaining.page import explanation_page
        from foreshot.runtime.outputs import refuse_as_output

        if html is not None:
            refuse_as_output("--html", html, *([] if source is None else [source]))

        telling = Terminal(Console(stderr=True, highlight=False))
        explainer = Explainer(
            model,
            method=method,
            label=label,
            positive=positive,
            baselines=by_comma(baselines),
            steps=steps,
            file=file,
            problem_type=problem_type,
            most_words=most_words,
            progress=telling,
        )
        # A bar would get between the lines that appear on the same terminal.
        shown = telling if html or not sys.stdout.isatty() else Silent()
        texts = iter(inputs) if source is None else _texts_of(source, stream, dialect, text, telling, shown)
        if html is None:
            console = Console(highlight=False)
            for given in texts:
                (explanation,) = explainer(given)
                if as_json:
                    typer.echo(explanation_json(given, explanation))
                else:
                    print_explanation(given, explanation, console)
            return
        on_page = [(given, explainer(given)[0]) for given in islice(texts, MOST_ON_PAGE)]
        _write(html, explanation_page(on_page, more=next(texts, None) is not None))
        typer.echo(f"page: {printable(str(html))}")


def _texts_of(
    source: str, stream: str, dialect: AskedDialect, column: str | None, telling: Progress, shown: Progress
) -> Iterator[str]:
    """The texts of a file or a stream; `telling` hears of a guessed column, `shown` of how far the reading is."""
    from foreshot.data.reading.records import open_records
    from foreshot.data.reading.text_rows import text_rows

    with open_records(source, kind=stream, dialect=dialect) as records:
        if records.units is None:
            yield from (given for given, _ in text_rows(records, column, telling))
            return
        left = records.units
        shown.begin(f"explaining {records.source}", left)
        try:
            for given, record in text_rows(records, column, telling):
                yield given
                shown.advance(record.size)
                left -= record.size
            shown.advance(left)  # a header, blank lines
        finally:
            shown.end()


def _write(path: Path, page: str) -> None:
    try:
        write_atomically(path, page)
    except OSError as error:
        raise DataError(f"--html {path}: can't be written ({error.strerror})") from None


# ---- what was found ----


def explanation_json(text: str, explanation: "Explanation") -> str:
    """A JSON object on one line; other letters than ASCII are escaped, so that no terminal obeys them."""
    return json.dumps({"text": text, **explanation.model_dump(mode="json")}, allow_nan=False)


def print_explanation(text: str, explanation: "Explanation", console: Console) -> None:
    """Print a text with its words marked, where there are colours; then the strongest words with their numbers."""
    from foreshot.explaining.page import drivers, headline, marked, meaning, remarks

    console.print(Text(headline(explanation), style="bold"))
    if console.is_terminal and not console.no_color:
        console.print(Text.assemble(*((piece.text, _style(piece)) for piece in marked(text, explanation))))
    else:
        console.print(Text(shortened(text)), soft_wrap=True)
    for word in drivers(explanation):
        console.print(Text(f"  {word.number}  {word.text}"), soft_wrap=True)
    for remark in (meaning(explanation), *remarks(explanation)):
        console.print(Text(remark, style="dim"), soft_wrap=True)
    console.print()


def _style(piece: "Piece") -> str:
    if not piece.direction:
        return ""
    styles = TERMINAL_STYLES[piece.direction]
    return styles[min(int(piece.share * len(styles)), len(styles) - 1)]
