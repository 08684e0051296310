"""For forks that export: graphs that are known are not exported anew, which takes torch several seconds each."""

from pathlib import Path

from known_graphs import exporting_once


def keep_in(folder: str) -> None:
    """Have `foreshot export` keep each model's graph in a folder."""
    from foreshot.exporting import proving

    proving.to_onnx = exporting_once(Path(folder))
