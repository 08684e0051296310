"""`foreshot verify`: whether a bundle is as it was exported."""

from pathlib import Path
from typing import Annotated

import typer

from foreshot.cli.exits import interruption_as_one_line
from foreshot.progress import printable


def verify_command(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder, or ready: the model that comes with Foreshot.")],
) -> None:
    """Check a bundle's files against their sums, and its scores on this machine against those at its export."""
    with interruption_as_one_line(None):
        from foreshot.runtime.verifying import verify

        verified = verify(bundle)
        typer.echo(f"{printable(str(bundle))}: {len(verified.files)} files are as they were exported")
        for file, difference in verified.differences.items():
            typer.echo(f"{file}: scores {verified.texts} texts as at export (largest difference {difference:.1e})")
