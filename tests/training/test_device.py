"""Which device and precision are taken, what is said where they aren't there, and what a full device leads to."""

import os

import pytest
import torch

from foreshot.errors import DeviceError
from foreshot.settings.training import Training
from foreshot.training import device as devices
from foreshot.training.device import (
    CPU,
    device_facts,
    device_name,
    find_device,
    find_precision,
    put_random_states,
    random_states,
    same_bits,
    standing_on,
    told_in_one_line,
)

GPU = torch.device("cuda", 0)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch):
    """Have PyTorch tell of two GPUs, of the compute capability that is given."""

    def pretend(capability: tuple[int, int] = (9, 0)) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "Model X")

    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    return pretend


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def refused(function, *arguments: object) -> str:
    with pytest.raises(DeviceError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_without_a_gpu_everything_is_on_the_cpu(no_gpu):
    assert find_device("auto") == find_device("cpu") == CPU
    assert device_name(CPU) == "cpu"
    facts = {"device": "cpu", "precision": "float32", "multiplies_bf16": devices.multiplies_bf16()}
    assert device_facts(CPU, Training()) == facts


@pytest.mark.parametrize("asked", ["cuda", "cuda:0", "cuda:3"])
@pytest.mark.parametrize(("built", "why"), [(True, "no GPU was found"), (False, "this PyTorch was built without CUDA")])
def test_a_gpu_that_is_not_there_is_refused(no_gpu, monkeypatch, asked, built, why):
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    assert refused(find_device, asked) == f"device: {asked} isn't there: {why}; use auto or cpu"


def test_metal_that_is_not_there_is_refused(no_gpu):
    assert refused(find_device, "mps").startswith("device: mps isn't there: ")


def test_with_gpus_the_first_one_is_taken_unless_another_is_named(gpus):
    gpus()
    assert find_device("auto") == find_device("cuda") == GPU
    assert find_device("cuda:1") == torch.device("cuda", 1)
    assert find_device("cpu") == CPU
    assert device_name(GPU) == "cuda (Model X)"
    assert refused(find_device, "cuda:2") == "device: cuda:2 isn't there; choose cuda:0 to cuda:1"


def test_what_cuda_needs_for_the_same_bits_is_set_before_it_starts(gpus, monkeypatch):
    gpus()
    find_device("cpu")
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    find_device("auto")
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # the user's
    find_device("cuda")
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


@pytest.mark.parametrize(
    ("capability", "bf16"),
    [((7, 5), False), ((8, 0), True), ((9, 0), True)],  # Turing, Ampere, Hopper
)
def test_precisions_of_a_gpu(gpus, capability, bf16):
    gpus(capability)
    assert find_precision("float32", GPU) == "float32"
    assert find_precision("fp16", GPU) == "fp16"
    assert find_precision("auto", GPU) == ("bf16" if bf16 else "float32")
    if bf16:
        assert find_precision("bf16", GPU) == "bf16"
    else:
        assert refused(find_precision, "bf16", GPU) == "training.precision: cuda:0 has no bf16; use fp16 or float32"


def test_precisions_of_the_cpu_and_of_metal():
    assert find_precision("float32", CPU) == "float32"
    assert find_precision("bf16", CPU) == "bf16"
    assert "can't train in fp16" in refused(find_precision, "fp16", CPU)
    metal = torch.device("mps")
    assert find_precision("auto", metal) == "float32"
    for asked in ("bf16", "fp16"):
        assert f"not in {asked}" in refused(find_precision, asked, metal)


def test_the_same_bits_are_asked_for_on_a_gpu_alone_and_within_the_block():
    assert not torch.are_deterministic_algorithms_enabled()
    with same_bits(CPU):
        assert not torch.are_deterministic_algorithms_enabled()
    seen = []

    def fail() -> None:
        with same_bits(GPU):
            seen.append(
                (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled())
            )
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert seen == [(True, False)]
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_model_is_back_where_it_was_after_an_error():
    model = torch.nn.Linear(2, 2)

    def fail() -> None:
        with standing_on(model, torch.device("meta")):
            assert model.weight.device.type == "meta"
            model.to_empty(device="cpu")  # since nothing comes back from there
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert model.weight.device == CPU


def test_random_numbers_go_on_where_they_were():
    torch.manual_seed(3)
    torch.rand(4)
    states = random_states(CPU)
    assert list(states) == ["torch"]
    expected = torch.rand(4)
    torch.manual_seed(9)
    put_random_states(states, CPU)
    assert torch.equal(torch.rand(4), expected)


# ---- a device that is full, or can't give the same bits ----


def raising(error: Exception, device: torch.device = GPU, **settings: object) -> None:
    with told_in_one_line(device, Training(**settings)):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has …"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB, other allocations: 4 MB)"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_a_full_device_says_what_to_lower(error):
    assert refused(lambda: raising(error)) == (
        "cuda:0: not enough memory; what is finished is kept; raise training.accumulate (now 1, of a batch of 32), set "
        "training.gradient_checkpointing: true, or lower training.batch_size or training.max_length (now 128)"
    )


def test_what_is_set_already_is_not_asked_for():
    settings = {"accumulate": 8, "gradient_checkpointing": True, "max_length": 512}
    message = refused(lambda: raising(torch.OutOfMemoryError("CUDA out of memory."), **settings))
    assert "raise training.accumulate (now 8, of a batch of 32), or lower" in message
    assert "gradient_checkpointing" not in message


def test_an_operator_that_gives_other_bits_each_time_is_named():
    error = RuntimeError("scatter_x does not have a deterministic implementation, but you set 'torch.use_…")
    assert refused(lambda: raising(error)) == "cuda:0: scatter_x gives other bits each time there; use cpu"


def test_other_errors_stay_what_they_are():
    for error in (RuntimeError("shapes differ"), KeyError("a"), MemoryError()):
        with pytest.raises(type(error)) as caught:
            raising(error)
        assert caught.value is error


@pytest.mark.parametrize(("multiplies", "expected"), [(True, "bf16"), (False, "float32")])
def test_auto_on_a_cpu_is_bf16_where_it_multiplies_it(monkeypatch, multiplies, expected):
    monkeypatch.setattr(devices, "multiplies_bf16", lambda: multiplies)
    assert find_precision("auto", CPU) == expected


@pytest.mark.parametrize("name", ["_is_amx_tile_supported", "_is_avx512_bf16_supported"])
def test_a_cpu_multiplies_bf16_by_either_set_of_instructions(monkeypatch, name):
    for known in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, known, lambda: False)
    assert not devices.multiplies_bf16()
    monkeypatch.setattr(torch.cpu, name, lambda: True)
    assert devices.multiplies_bf16()
    monkeypatch.delattr(torch.cpu, name)  # in another release of PyTorch
    assert not devices.multiplies_bf16()
