"""A device that is not the CPU, where there is no other: its tensors are known to PyTorch as another device's.

PyTorch keeps a place for devices that it doesn't know (`privateuseone`). Here it gets one whose tensors hold a tensor
of the CPU each, and whose operators are those of the CPU. What makes it a device is what it refuses: an operator on
its tensors and on the CPU's together, and NumPy's view of one; and that it draws random numbers from a generator of its
own. So code that leaves a tensor behind, or forgets the generator, fails as on a GPU, with real numbers besides.

Registering it is for the whole process, and can't be undone: `on_simulated_device.py` is run in one of its own.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "simulated"
aten = torch.ops.aten
MAY_MIX = {aten.copy_.default, aten._to_copy.default}
"""Operators that bring tensors from one device to another."""


class Backend(_DummyBackendModule):
    """What `torch.simulated` is."""

    _initialized = True

    def __init__(self) -> None:
        self.generator = torch.Generator()

    def device(self, number: int) -> AbstractContextManager[None]:
        return nullcontext()

    def manual_seed_all(self, seed: int) -> None:
        self.generator.manual_seed(seed)

    def get_rng_state(self, device: int = 0) -> torch.Tensor:
        return self.generator.get_state()

    def set_rng_state(self, state: torch.Tensor, device: int = 0) -> None:
        self.generator.set_state(state)

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return []

    def synchronize(self, device: int = 0) -> None:
        pass


BACKEND = Backend()
_setup_privateuseone_for_python_backend(NAME, backend_module=BACKEND)
DEVICE = torch.device(NAME, 0)


class SimulatedTensor(torch.Tensor):
    """A tensor of the device; `held` is the one of the CPU."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "SimulatedTensor":
        with torch.inference_mode(False):  # or views of tensors from outside of it can't be made
            return torch.Tensor._make_wrapper_subclass(
                cls,
                held.shape,
                strides=held.stride(),
                storage_offset=held.storage_offset(),
                dtype=held.dtype,
                device=DEVICE,
            )

    def __init__(self, held: torch.Tensor) -> None:
        self.held = held

    def __repr__(self, **_: Any) -> str:
        return f"SimulatedTensor({self.held})"

    @classmethod
    def __torch_dispatch__(cls, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return carry_out(operator, args, kwargs or {})


class Simulation(TorchDispatchMode):
    """Within it tensors can be made on the device and moved there."""

    def __enter__(self) -> "Simulation":
        self._before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)  # or torch.tensor(…, device=…) would pass the mode by
        # A thread of the device's own, in which gradients are computed else, doesn't know the mode.
        self._one_thread = torch.autograd.set_multithreading_enabled(False)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(self._before)
        self._one_thread.__exit__(*error)

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return carry_out(operator, args, kwargs or {})


def carry_out(operator: Any, args: Any, kwargs: Any) -> Any:
    """Carry out an operator on the tensors that are held; its results stand where they would."""
    given: list[torch.Tensor] = []
    of_cpu = each((args, tuple(kwargs.values())), lambda value: held(value, given))
    ours = [tensor for tensor in given if isinstance(tensor, SimulatedTensor)]
    # PyTorch lets a single number of the CPU's go with any device.
    others = [tensor for tensor in given if tensor.dim() and not isinstance(tensor, SimulatedTensor)]
    if ours and others and operator not in MAY_MIX:
        raise RuntimeError(f"{operator}: Expected all tensors to be on the same device, but some are on the cpu")
    asked = kwargs.get("device")
    here = torch.device(asked).type == NAME if asked is not None else bool(ours)
    if operator is aten.copy_.default:
        here = isinstance(args[0], SimulatedTensor)
    own_generator = here and torch.Tag.nondeterministic_seeded in operator.tags
    if own_generator:
        before = torch.get_rng_state()
        torch.set_rng_state(BACKEND.generator.get_state())
    result = operator(*of_cpu[0], **dict(zip(kwargs, of_cpu[1], strict=True)))
    if own_generator:
        BACKEND.generator.set_state(torch.get_rng_state())
        torch.set_rng_state(before)
    known = {id(held(tensor, [])): tensor for tensor in given} if operator._schema.is_mutable else {}

    def standing(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return known.get(id(value), SimulatedTensor(value) if here else value)

    return each(result, standing)


def each(value: Any, change: Callable[[Any], Any]) -> Any:
    """What an operator takes or gives, with each value changed that isn't a list or tuple.

    PyTorch's `tree_map` does this for whatever there is, in ten times the time.
    """
    return type(value)([each(one, change) for one in value]) if type(value) in (tuple, list) else change(value)


def held(value: Any, tensors: list[torch.Tensor]) -> Any:
    """What an operator of the CPU is given in a value's place; a tensor is added to `tensors`."""
    if isinstance(value, torch.Tensor):
        tensors.append(value)
    if isinstance(value, SimulatedTensor):
        return value.held
    return torch.device("cpu") if isinstance(value, torch.device) else value
