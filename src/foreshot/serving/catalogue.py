"""The models that a server answers with: bundles by name, loaded and self-tested."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foreshot.data.texts import excerpt
from foreshot.errors import ConfigError
from foreshot.runtime.bundle import read_bundle
from foreshot.runtime.classifier import Classifier, Prediction
from foreshot.runtime.verifying import self_test
from foreshot.serving.batching import Batcher
from foreshot.serving.observing import Metrics
from foreshot.serving.problems import Problem
from foreshot.serving.settings import Limits
from foreshot.settings.recipes import FILE_NAME

BATCH_SIZE = 8
"""Rows computed at once, by length: of the few dozens that wait, more of them would be mostly padding."""


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model that is served.

    `checksum` is that of the bundle's SHA256SUMS, and so names every byte of it. `decided` is told what the model said
    of texts that a client asked about.
    """

    name: str
    checksum: str
    classifier: Classifier
    batcher: Batcher
    decided: Callable[[Sequence[Prediction]], None] = lambda _: None

    async def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Predictions of a client's texts, in their order; raises Problem 503 when there is no room for them."""
        predictions = await self.batcher.score(texts)
        self.decided(predictions)
        return predictions


class Catalogue(Mapping[str, ServedModel]):
    """Served models by name, in their order; the first is what answers when none is named."""

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self._models = {model.name: model for model in models}

    def __getitem__(self, name: str) -> ServedModel:
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    @property
    def default(self) -> ServedModel:
        """The first."""
        return next(iter(self._models.values()))

    def asked(self, name: str | None) -> ServedModel:
        """The model that a request names, or the first; raises Problem 404 for one that isn't there."""
        if name is None:
            return self.default
        if name not in self._models:
            raise Problem(404, f"no model is called {excerpt(name)}; there are {', '.join(self)}")
        return self._models[name]

    def start(self) -> None:
        """Begin to compute; call it in the event loop that requests are answered in."""
        for model in self._models.values():
            model.batcher.start()

    async def stop(self) -> None:
        """End."""
        for model in self._models.values():
            await model.batcher.stop()


def parse_models(asked: Sequence[str]) -> dict[str, Path]:
    """Folders of bundles by name, from "odd=bundle-odd/" or a folder alone, whose own name is then taken.

    Raises ConfigError for a name that is given twice or is none, and where there is no folder.
    """
    folders: dict[str, Path] = {}
    for text in asked:
        name, sign, folder = text.partition("=")
        if not (folder if sign else name):  # as of a variable that is not set; it would mean this folder
            raise ConfigError(f"{excerpt(text) or 'a model'}: needs a folder: NAME=FOLDER, or FOLDER alone")
        path = Path(folder if sign and name and "/" not in name else text)
        called = name if path == Path(folder) and sign else path.resolve().name
        if not FILE_NAME.match(called):
            raise ConfigError(
                f"{excerpt(text)}: needs a name of letters, digits, '.', '_' or '-': NAME={excerpt(path)}"
            )
        if called in folders:
            raise ConfigError(f"two models are called {called}; give them names: first={folders[called]} second={path}")
        folders[called] = path
    return folders


def load_catalogue(
    folders: Mapping[str, Path], limits: Limits, metrics: Metrics, *, threads: int | None = None
) -> Catalogue:
    """Load bundles and let each pass its self-test; `metrics` count what they do.

    Raises BundleError for one that can't be used, or doesn't score here as it did where it was exported.
    """
    models = []
    for name, folder in folders.items():
        bundle = read_bundle(folder)
        classifier = Classifier(bundle, threads=threads, batch_size=BATCH_SIZE)
        self_test(classifier, where=str(folder))
        models.append(
            ServedModel(
                name=name,
                checksum=f"sha256:{bundle.checksum}",
                classifier=classifier,
                batcher=Batcher(classifier, limits, metrics.observer(name)),
                decided=functools.partial(metrics.decided, name),
            )
        )
    return Catalogue(models)
