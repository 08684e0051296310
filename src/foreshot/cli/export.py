"""`foreshot export`: from a trained classifier to a bundle."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from foreshot.cli.exits import interruption_as_one_line
from foreshot.cli.options import Quoting, Separator, by_comma, pairs_by_comma
from foreshot.progress import Terminal, printable


def export_command(
    model: Annotated[str, typer.Argument(help="A run (what its verdict ships), a model's folder, or a hub id.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder; one that is there is replaced.")],
    bits: Annotated[str, typer.Option(help="The graphs that are wanted: 32, 8, or both by comma.")] = "32,8",
    max_length: Annotated[
        int | None, typer.Option(min=8, help="Tokens that a text is cut to; else as in training.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="File of texts to prove the graphs on; else the run's validation rows.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Column with the texts of --rows.")] = None,
    separator: Separator = None,
    quoting: Quoting = None,
    suite: Annotated[str | None, typer.Option(help="builtin, or a file; else the run's.")] = None,
    suite_label: Annotated[
        str | None, typer.Option(help="The suite's labels as the model's, by comma: hateful=toxic,non-hateful=benign.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="The model's class that counts as toxic, or the label to judge.")
    ] = None,
    problem_type: Annotated[
        str | None, typer.Option(help="single-label or multi-label, where a model's config.json doesn't say.")
    ] = None,
    trim_vocabulary: Annotated[
        bool, typer.Option("--trim-vocabulary", help="Leave out the word pieces that no training row has.")
    ] = False,
    least_rows: Annotated[
        int, typer.Option(min=1, help="Training rows that a word piece must be in to stay (--trim-vocabulary).")
    ] = 1,
    keep_words: Annotated[
        str | None, typer.Option(help="File of words or texts, one a line, whose pieces stay (--trim-vocabulary).")
    ] = None,
    language: Annotated[str | None, typer.Option(help="The bundle's language for its card, such as en.")] = None,
    licence: Annotated[str | None, typer.Option(help="Its licence for its card, such as cc-by-4.0.")] = None,
    about: Annotated[
        str | None, typer.Option(help="Markdown file that stands first in its card: for what, and where it fails.")
    ] = None,
) -> None:
    """Make a bundle that runs without PyTorch from a model, and prove that it decides as the model does."""
    console = Console(highlight=False)
    with interruption_as_one_line(None):
        labels = pairs_by_comma("--suite-label", suite_label)
        from foreshot.exporting.export import export

        manifest = export(
            model,
            out,
            bits=by_comma(bits) or (),
            max_length=max_length,
            rows=rows,
            text=text,
            separator=separator,
            quoting=quoting,
            suite=suite,
            suite_labels=labels,
            positive=positive,
            problem_type=problem_type,
            trim_vocabulary=trim_vocabulary,
            least_rows=least_rows,
            keep_words=keep_words,
            language=language,
            licence=licence,
            about=about,
            progress=Terminal(console),
        )
        graphs = " and ".join(graph.file for graph in manifest.graphs)
        console.print(f"bundle: {printable(str(out))} ({graphs})", markup=False, soft_wrap=True)
