"""Devices: which one models are trained and asked on, how precisely, and what each of them can't do.

Everything is decided once, when a comparison is planned. Models are moved to the device for the time that they are
trained or asked there; they are copied, merged, compared and saved on the CPU.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn
from torch.utils import deterministic

from foreshot.errors import DeviceError
from foreshot.settings.training import Training

Precision = Literal["float32", "bf16", "fp16"]
CPU = torch.device("cpu")
AUTO = "auto"
OUT_OF_MEMORY = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""What PyTorch says where a device, not the system, has no memory left."""
NO_SAME_BITS = "does not have a deterministic implementation"


def find_device(asked: str) -> torch.device:
    """The device that a setting names; "auto" is the first GPU that CUDA finds, else the CPU.

    "auto" never takes `mps`, which lacks float64 and some operators, and which nobody has tried. Raises DeviceError for
    one that isn't there.
    """
    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if asked == AUTO else asked)
    if device.type == "cuda":
        device = _find_gpu(device, asked)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device: mps isn't there: no GPU that Metal knows, or a PyTorch without it; use auto or cpu")
    return device


def _find_gpu(device: torch.device, asked: str) -> torch.device:
    if not torch.cuda.is_available():
        why = "no GPU was found" if torch.backends.cuda.is_built() else "this PyTorch was built without CUDA"
        raise DeviceError(f"device: {asked} isn't there: {why}; use auto or cpu")
    count, index = torch.cuda.device_count(), device.index or 0
    if index >= count:
        known = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise DeviceError(f"device: {asked} isn't there; choose {known}")
    # Asked for before CUDA starts: without it, products are not the same bits each time.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda", index)


def find_precision(asked: str, device: torch.device) -> Precision:
    """The precision that a setting names, on this device; raises DeviceError for one that it can't do."""
    if asked == AUTO:
        return fastest_precision(device)
    if asked == "bf16" and device.type == "cuda" and not _has_bf16(device):
        raise DeviceError(f"training.precision: {device} has no bf16; use fp16 or float32")
    if asked == "fp16" and device.type == "cpu":
        raise DeviceError("training.precision: the cpu can't train in fp16; use float32 or bf16")
    if asked != "float32" and device.type == "mps":
        raise DeviceError(f"training.precision: on mps models are trained in float32 alone, not in {asked}")
    return asked  # type: ignore[return-value]  # one of them, by `Training`


def fastest_precision(device: torch.device) -> Precision:
    """What "auto" is on a device: bf16 where its matrix products are faster for it, else float32.

    Never fp16, whose gradients can overflow.
    """
    faster = (device.type == "cuda" and _has_bf16(device)) or (device.type == "cpu" and multiplies_bf16())
    return "bf16" if faster else "float32"


def multiplies_bf16() -> bool:
    """Whether this CPU has instructions for products in bf16: AMX or AVX512-BF16."""
    return any(
        getattr(torch.cpu, name, lambda: False)() for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    )


def _has_bf16(device: torch.device) -> bool:
    return torch.cuda.get_device_capability(device) >= (8, 0)


def device_name(device: torch.device) -> str:
    """What a device is called where models are compared: "cpu", or "cuda (NVIDIA H200)"."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def device_facts(device: torch.device, settings: Training) -> dict[str, object]:
    """What `environment.json` says about where and how precisely is computed."""
    facts: dict[str, object] = {"device": str(device), "precision": find_precision(settings.precision, device)}
    if device.type == "cpu":
        facts |= {"multiplies_bf16": multiplies_bf16()}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "name": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "cuda": torch.version.cuda,
        }
    return facts


@contextmanager
def standing_on(model: nn.Module, device: torch.device) -> Iterator[None]:
    """The model on a device within the block; afterwards it is back where it was."""
    before = next(model.parameters()).device
    model.to(device)
    try:
        yield
    finally:
        model.to(before)


@contextmanager
def same_bits(device: torch.device) -> Iterator[None]:
    """Have PyTorch use nothing on a GPU that gives other bits each time; the CPU's operators give the same ones.

    An operator that has no such form raises a RuntimeError (`told_in_one_line` makes a DeviceError of it).
    """
    if device.type != "cuda":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(True)
    # Nothing reads what it didn't write, so nothing need be filled first.
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)
        deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


@contextmanager
def told_in_one_line(device: torch.device, settings: Training) -> Iterator[None]:
    """Raise DeviceError where a device has too little memory, or can't give the same bits twice."""
    try:
        yield
    except RuntimeError as error:
        message = str(error)
        if isinstance(error, torch.OutOfMemoryError) or any(known in message for known in OUT_OF_MEMORY):
            raise DeviceError(f"{device}: not enough memory; what is finished is kept; {_relief(settings)}") from None
        if NO_SAME_BITS in message:
            raise DeviceError(
                f"{device}: {message.split(NO_SAME_BITS)[0].strip()} gives other bits each time there; use cpu"
            ) from None
        raise


def _relief(settings: Training) -> str:
    """What to set, so that a training takes less memory; the first two leave the experiment what it is."""
    ways = [f"raise training.accumulate (now {settings.accumulate}, of a batch of {settings.batch_size})"]
    if not settings.gradient_checkpointing:
        ways.append("set training.gradient_checkpointing: true")
    ways.append(f"lower training.batch_size or training.max_length (now {settings.max_length})")
    return ", ".join(ways[:-1]) + f", or {ways[-1]}"


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of the generators that a training draws from: the CPU's as "torch", and a device's own as "device"."""
    states = {"torch": torch.get_rng_state()}
    if device.type != "cpu":
        states["device"] = torch.get_device_module(device).get_rng_state(*_number(device))
    return states


def put_random_states(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put back what `random_states` gave."""
    torch.set_rng_state(states["torch"])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states["device"], *_number(device))


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what it was told to, so that the clock says what that took."""
    if device.type != "cpu":
        torch.get_device_module(device).synchronize(*_number(device))


def _number(device: torch.device) -> tuple[int, ...]:
    return () if device.index is None else (device.index,)  # Metal has one device, without a number
