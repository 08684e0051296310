"""`foreshot suite`: a suite's cases as a file, to have them scored by what is to be replaced."""

from pathlib import Path
from typing import Annotated

import typer

from foreshot.cli.exits import interruption_as_one_line
from foreshot.cli.options import Quoting, Separator
from foreshot.progress import printable
from foreshot.settings.dialect import asked_dialect


def suite_command(
    suite: Annotated[str, typer.Argument(help="builtin, or a suite's file (own format or HateCheck's).")],
    out: Annotated[Path, typer.Option(help="CSV or JSON Lines file to write.")],
    separator: Separator = None,
    quoting: Quoting = None,
) -> None:
    """Write a suite's cases, for a classifier elsewhere to score them; compare --teacher-scores takes the scores."""
    with interruption_as_one_line(None):
        from foreshot.suites.handing_out import write_suite

        dialect = asked_dialect(separator, quoting, say=typer.echo)
        cases = write_suite(suite, out, dialect=dialect)
        typer.echo(
            f"{printable(str(out))}: {cases:,} cases; add a column for each score that compare --scores names, and "
            "give the file to compare --teacher-scores"
        )
