"""`foreshot predict`: texts, a file or a stream scored with a bundle, the ready model if none is named."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from foreshot.cli.exits import interruption_as_one_line
from foreshot.cli.options import Quoting, Separator, bundle_among, given_ones, source_among
from foreshot.progress import Terminal, printable

if TYPE_CHECKING:
    from foreshot.runtime.bundle import Manifest
    from foreshot.runtime.classifier import Prediction

LONGEST_TEXT = 100  # letters that are shown


def predict_command(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="[BUNDLE] INPUTS...",
            help="A bundle's folder, else the ready model answers; then texts; or a CSV, TSV, JSONL, Parquet or .txt "
            "file; or - for a stream.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="File for the scored rows; its name says the format.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with the texts.")] = None,
    stream: Annotated[str, typer.Option(help="What a stream holds: lines, csv, tsv or jsonl.")] = "lines",
    bad_rows: Annotated[
        Path | None, typer.Option(help="Set rows that can't be read aside in this file, instead of stopping.")
    ] = None,
    separator: Separator = None,
    quoting: Quoting = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print texts' predictions as JSON lines.")] = False,
    file: Annotated[str | None, typer.Option(help="Which of the graphs: model.onnx or model.int8.onnx.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to compute on; else all cores.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Texts in a batch.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens that a text is cut to.")] = None,
) -> None:
    """Score texts, a file, or a stream with a bundle, or with the ready model."""
    with interruption_as_one_line(None):
        bundle, inputs = bundle_among(inputs)
        source = source_among(inputs)
        from foreshot.runtime.classifier import load
        from foreshot.runtime.ready import names_ready, ready_folder

        settings = given_ones({"threads": threads, "batch_size": batch_size, "max_length": max_length, "file": file})
        classifier = load(bundle or ready_folder(), **settings)
        if bundle is None or names_ready(bundle):
            typer.echo(f"foreshot: {printable(_which_answers(classifier.manifest))}", err=True)
        if source is None:
            found = classifier(inputs)
            lines = (
                prediction_lines(inputs, found)
                if as_json
                else prediction_table(inputs, found, classifier.manifest.positive)
            )
            for line in lines:
                typer.echo(line)
            return
        from foreshot.runtime.scoring import score_file

        summary = score_file(
            classifier,
            source,
            out,
            kind=stream,
            text_column=text,
            bad_rows=bad_rows,
            separator=separator,
            quoting=quoting,
            progress=Terminal(Console(stderr=True, highlight=False)),
        )
        for line in summary.lines():
            typer.echo(f"foreshot: {printable(line)}", err=True)


def _which_answers(manifest: "Manifest") -> str:
    """What is said of the ready model before it answers."""
    return (
        f"the ready model answers: {manifest.name}, made {manifest.made_at[:10]}, for English; a first pass for people "
        "to review, no judge"
    )


def prediction_table(texts: Sequence[str], predictions: Sequence["Prediction"], positive: str | None) -> Iterator[str]:
    """A heading and a line for each text: decision, labels, score of the positive class (else of the label), text."""
    rows = [("decision", "label", f"P({printable(positive)})" if positive else "P(label)", "text")]
    for text, found in zip(texts, predictions, strict=True):
        shown = printable(text)
        shown = shown if len(shown) <= LONGEST_TEXT else shown[:LONGEST_TEXT] + "…"
        score = found.scores[positive or found.label]
        cut = "  (its end was not looked at: it is longer than the bundle reads)" if found.truncated else ""
        labels = printable(", ".join(found.labels)) or "–"
        rows.append((found.decision or "–", labels, f"{score:.1%}", shown + cut))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}"


def prediction_lines(texts: Sequence[str], predictions: Sequence["Prediction"]) -> Iterator[str]:
    """A JSON object for each text; other letters than ASCII are escaped, so that no terminal obeys them."""
    for text, found in zip(texts, predictions, strict=True):
        yield json.dumps({"text": text, **asdict(found)})
