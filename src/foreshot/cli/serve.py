"""The command line's `serve` and `new-key`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foreshot.progress import printable

if TYPE_CHECKING:
    from foreshot.serving.server import Plan


def serve_command(
    bundles: Annotated[
        list[str] | None,
        typer.Argument(
            help="Bundles' folders; to name them, NAME=FOLDER; without any, or by the name ready, the ready model."
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of the machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that answer.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each; else its share of the cores.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with limits, API keys, attributes and origins.")
    ] = None,
    feedback: Annotated[
        Path | None, typer.Option(help="Take corrections, and keep them with their texts in this .jsonl file.")
    ] = None,
    access_log: Annotated[bool, typer.Option(help="Write a line for each request to standard error.")] = True,
) -> None:
    """Serve bundles over HTTP: an API, Perspective's wire format, and a web page."""
    from foreshot.perspective.routes import perspective_router
    from foreshot.runtime.ready import READY, ready_folder
    from foreshot.serving.catalogue import parse_models
    from foreshot.serving.server import Plan, serve
    from foreshot.serving.settings import ServeSettings, load_serve_settings

    settings = load_serve_settings(config) if config else ServeSettings()
    if feedback is not None:
        kept = settings.feedback.model_copy(update={"file": feedback})
        settings = settings.model_copy(update={"feedback": kept})
    plan = Plan(
        folders=parse_models(bundles) if bundles else {READY: ready_folder()},
        settings=settings,
        more=(perspective_router,),
        host=host,
        port=port,
        workers=workers,
        threads=threads,
        access_log=access_log,
    )
    serve(plan, ready=lambda address: _announce(plan, address))


def _announce(plan: "Plan", address: str) -> None:
    kept = plan.settings.feedback
    texts = "" if kept.file is None else "texts that are corrected are kept; "
    typer.echo(f"{', '.join(plan.folders)} at {address} ({texts}Ctrl-C stops it)")
    if kept.file is not None:
        most = f"at most {kept.files} files of {kept.file_bytes / 1e6:,.3g} MB"
        typer.echo(f"foreshot: corrections are kept with their texts: {printable(str(kept.file))}, {most}", err=True)
    if plan.is_open:
        typer.echo("foreshot: whoever reaches this machine may ask; foreshot new-key makes API keys", err=True)


def new_key_command(name: Annotated[str, typer.Argument(help="Whose key it is: a name for the access log.")]) -> None:
    """Make an API key for `serve`, and the lines of its settings that let it in."""
    from foreshot.serving.settings import new_key

    key, settings = new_key(name)
    typer.echo(f"the key, which is shown this once: {key}", err=True)
    typer.echo(settings, nl=False)
