"""Outputs: what a command is asked to write to, looked at before any work."""

import os
from pathlib import Path

from foreshot.errors import ConfigError
from foreshot.runtime.bundle import is_bundle

STREAMS = (Path("/dev"), Path("/proc"))


def refuse_as_output(option: str, path: Path, *read: str | Path) -> None:
    """Raise ConfigError for an output that is no file, is among the files that are read, or would spoil a bundle.

    A file under its name is replaced, so that the name of a stream (/dev/stdout) would be as well.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{option} {path}: is a folder or a device; name a file")
    folder = Path(os.path.realpath(path.parent))
    if folder == STREAMS[0] or folder.is_relative_to(STREAMS[1]):
        raise ConfigError(f"{option} {path}: is no file's name; leave it out for the standard output, or name a file")
    for given in map(Path, read):
        if path.exists() and given.exists() and path.samefile(given):
            raise ConfigError(f"{option} {path}: is the file that is read; name another")
    if is_bundle(path.resolve().parent):
        raise ConfigError(f"{option} {path}: is in a bundle's folder, which holds nothing else; name a file elsewhere")
