"""What a server is asked to do: its limits, API keys, attributes and origins, from a YAML file."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field

from foreshot.settings.base import Settings
from foreshot.settings.reading import load_settings, validated

Count = Annotated[int, Field(ge=1, le=10**9)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
SHA256 = r"^[0-9a-f]{64}$"


class Limits(Settings):
    """What one request, and all that wait, may take.

    `texts` in a request, each of at most `text_length` characters; `body_bytes` of its body; `request_seconds` from
    its first byte to the last of its answer; `explained_words` whose influence one request may ask for; `queue`,
    texts that wait for one model; `batch`, texts taken together; `batch_wait_seconds`, how long the first of them
    waits for others; `shutdown_seconds`, what requests have left to end in once the server is told to stop.
    """

    texts: Count = 128
    text_length: Count = 20_480
    body_bytes: Count = 4_000_000
    request_seconds: Seconds = 30
    explained_words: Count = 200
    queue: Count = 4_096
    batch: Count = 64
    batch_wait_seconds: Annotated[float, Field(ge=0, le=1)] = 0.002
    shutdown_seconds: Count = 10


class ApiKey(Settings):
    """Who may ask: a name for the log, and the SHA-256 of the key, which itself stands nowhere."""

    name: Annotated[str, Field(pattern=NAME)]
    sha256: Annotated[str, Field(pattern=SHA256)]


class Attribute(Settings):
    """What an attribute of Perspective's means here: a label's probability by a model (None: the default ones)."""

    model: str | None = None
    label: str | None = None


class Feedback(Settings):
    """Where corrections are kept, texts and all: nowhere without a `file` (JSON Lines).

    A file that has `file_bytes` is set aside under a number; when there are so many `files`, no more is taken.
    """

    file: Path | None = None
    file_bytes: Annotated[int, Field(ge=1_000, le=10**12)] = 16_000_000
    files: Annotated[int, Field(ge=1, le=10_000)] = 10


class ServeSettings(Settings):
    """All that a server's file of settings can say. Without keys everybody who reaches it may ask.

    Without `attributes` the first model's labels say which there are (`perspective.routes`).
    """

    limits: Limits = Limits()
    keys: tuple[ApiKey, ...] = ()
    attributes: Mapping[str, Attribute] = {"TOXICITY": Attribute()}
    languages: Annotated[tuple[str, ...], Field(min_length=1)] = ("en",)
    cors: tuple[str, ...] = ()
    feedback: Feedback = Feedback()

    def key_named(self, key: str) -> str | None:
        """The name of an API key, None for one that isn't known; takes as long for any."""
        found = None
        digest = hash_key(key)
        for known in self.keys:
            if hmac.compare_digest(known.sha256, digest):
                found = known.name
        return found


def hash_key(key: str) -> str:
    """What the settings hold of a key: its SHA-256, which is enough for keys that are long and random."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def new_key(name: str) -> tuple[str, str]:
    """A new key, and the lines of settings, as YAML, that let it in; raises ConfigError for a name that is none."""
    key = secrets.token_urlsafe(32)
    known = validated(ApiKey, {"name": name, "sha256": hash_key(key)}, source="new-key")
    return key, yaml.safe_dump({"keys": [known.model_dump()]}, sort_keys=False)


def load_serve_settings(path: Path) -> ServeSettings:
    """The settings in a YAML file; raises ConfigError that names the first field that is wrong."""
    return validated(ServeSettings, load_settings(path), source=str(path))
