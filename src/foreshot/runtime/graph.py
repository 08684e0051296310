"""The graph: token ids to logits by ONNX Runtime, from bytes whose sum was checked."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime

from foreshot.data.texts import excerpt
from foreshot.errors import BundleError
from foreshot.threads import cores

BATCH_TOKENS = 512
"""Tokens in a batch, padding included: some seventeen texts of thirty tokens."""
SPIN_MICROSECONDS = "20"
"""How long a thread turns in circles before it sleeps: about what passes between two operators."""
SLOWER = ("SkipLayerNormFusion",)
"""What ONNX Runtime fuses to no good: its kernel is slower than an addition and a layer normalisation."""


class Graph:
    """An ONNX graph of a classifier, on `threads` threads (all cores by default).

    `where` is what messages call it. Raises BundleError for a graph that can't be run, has other inputs and outputs
    than a bundle's, or wants weights from another file: there is no folder in which it might find one.
    """

    def __init__(
        self, content: bytes, *, classes: int, pad_token_id: int, where: str, threads: int | None = None
    ) -> None:
        self._where = where
        self._classes = classes
        self._pad_token_id = pad_token_id
        self._threads = threads or cores()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised
        options.intra_op_num_threads = self._threads
        options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_MICROSECONDS)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", "/nonexistent")
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER
            )
        except Exception as error:  # its exceptions have no common base but Exception
            if "xternal data" in str(error):
                raise BundleError(f"{where}: wants weights from another file; a bundle's graph holds its own") from None
            raise BundleError(f"{where}: can't be run ({excerpt(error, 160)})") from None
        inputs = {given.name: given.type for given in self._session.get_inputs()}
        outputs = {given.name: given for given in self._session.get_outputs()}
        if inputs != dict.fromkeys(("input_ids", "attention_mask"), "tensor(int64)") or "logits" not in outputs:
            raise BundleError(f"{where}: its inputs and outputs are not those of a bundle; export it again")
        logits = outputs["logits"]
        if logits.type != "tensor(float)" or len(logits.shape) != 2:
            raise BundleError(f"{where}: its logits are not float32 of (batch, classes); export it again")
        if logits.shape[1] != classes:
            raise BundleError(f"{where}: gives {excerpt(logits.shape[1])} logits for {classes} labels; export it again")

    def logits(self, ids: Sequence[Sequence[int]], *, batch_size: int | None = None) -> np.ndarray:
        """Logits (texts, classes), float32, of token ids.

        Texts of like length are computed together, so that little is padding: BATCH_TOKENS at once, or `batch_size`
        texts; and as many batches side by side as there are threads. Raises BundleError where the graph fails on
        them, as it does on ids that it has no embedding for.
        """
        logits = np.empty((len(ids), self._classes), dtype=np.float32)
        batches = list(_batches([len(of_text) for of_text in ids], batch_size))

        def compute(rows: list[int]) -> None:
            logits[rows] = self._run([ids[row] for row in rows])

        if len(batches) < 2 or self._threads == 1:
            for rows in batches:
                compute(rows)
        else:
            with ThreadPoolExecutor(min(self._threads, len(batches))) as pool:
                list(pool.map(compute, batches))
        return logits

    def _run(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        try:
            logits: np.ndarray = self._session.run(["logits"], self._padded(ids))[0]
        except Exception as error:  # as above
            raise BundleError(f"{self._where}: fails on a text ({excerpt(error, 160)}); export it again") from None
        if logits.shape != (len(ids), self._classes):
            raise BundleError(f"{self._where}: gives logits of shape {logits.shape} for {len(ids)} texts")
        return logits

    def _padded(self, ids: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
        shape = len(ids), max(1, max(map(len, ids)))
        input_ids = np.full(shape, self._pad_token_id, dtype=np.int64)
        attention_mask = np.zeros(shape, dtype=np.int64)
        for row, of_row in enumerate(ids):
            input_ids[row, : len(of_row)] = of_row
            attention_mask[row, : len(of_row)] = 1
        return {"input_ids": input_ids, "attention_mask": attention_mask}


def _batches(lengths: Sequence[int], batch_size: int | None) -> Iterator[list[int]]:
    """The numbers of the texts that are computed together, longest texts first."""
    longest_first = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    start = 0
    while start < len(lengths):
        longest = max(1, lengths[longest_first[start]])
        size = batch_size or max(1, BATCH_TOKENS // longest)
        yield longest_first[start : start + size]
        start += size
