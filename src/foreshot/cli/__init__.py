"""The command line: one module a command, with its options and its printing; what goes wrong becomes one line."""

from collections.abc import Callable

import typer

from foreshot.cli.arguments import Command, Commands
from foreshot.cli.check import check_command
from foreshot.cli.compare import compare_command
from foreshot.cli.exits import errors_as_one_line
from foreshot.cli.explain import explain_command
from foreshot.cli.export import export_command
from foreshot.cli.migrate import migrate_command
from foreshot.cli.plan import plan_command
from foreshot.cli.predict import predict_command
from foreshot.cli.serve import new_key_command, serve_command
from foreshot.cli.streams import prepare_streams
from foreshot.cli.suite import suite_command
from foreshot.cli.verify import verify_command
from foreshot.threads import wait_asleep

COMMANDS: dict[str, Callable[..., None]] = {
    "compare": compare_command,
    "plan": plan_command,
    "check": check_command,
    "export": export_command,
    "predict": predict_command,
    "explain": explain_command,
    "migrate": migrate_command,
    "suite": suite_command,
    "verify": verify_command,
    "serve": serve_command,
    "new-key": new_key_command,
}

app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False)
for name, command in COMMANDS.items():
    app.command(name, cls=Command)(command)


@app.callback()
def describe() -> None:
    """Make a big text classifier small without making it blind."""


def main() -> None:
    """Entry point of the `foreshot` command."""
    with errors_as_one_line():
        prepare_streams()
        wait_asleep()
        app()
