"""Choose a run's device and precision, and whether its steps are compiled and captured."""

from __future__ import annotations

import os
import shutil

import torch

from electra.config import TrainConfig, require

WORTH_COMPILING = 5.0  # minutes


def choose_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is a GPU if there is one. Processes of a host take a GPU each.

    Raises:
        ValueError: the name is unknown, or there is no such device.
    """
    if name == "auto":
        return own_gpu() if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"unknown device {name!r}; use auto, cpu, cuda or cuda:N") from None
    require(device.type in ("cpu", "cuda"), f"device {name!r} is not supported; use auto, cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no GPU that torch can use here; set --device cpu, or install a CUDA build of torch")
    return own_gpu() if device.type == "cuda" and device.index is None else device


def own_gpu() -> torch.device:
    """Return the GPU of this process, one of several on a host; under Slurm each may see only its own."""
    number, shown = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return torch.device("cuda")
    require(number < shown or shown == 1, f"process {number} of this host has no GPU, there are {shown}; start fewer")
    return torch.device("cuda", number % shown)


def choose_dtype(config: TrainConfig) -> torch.dtype:
    """Return the type of matrix products: bf16 only with hardware support, as emulation is slower than fp32."""
    if config.precision != "auto":
        return torch.bfloat16 if config.precision == "bf16" else torch.float32
    if choose_device(config.device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if has_bf16 else torch.float32


def should_compile(config: TrainConfig) -> bool:
    """Return whether to compile; `auto` requires a C++ compiler, and a run long enough to repay a minute of it."""
    if config.compile != "auto":
        return config.compile == "on"
    is_long = config.train_steps >= 1_000 and not 0 < config.max_minutes < WORTH_COMPILING
    return is_long and shutil.which("c++") is not None


def should_capture(config: TrainConfig, device: torch.device) -> bool:
    """Return whether steps run as CUDA graphs."""
    return device.type == "cuda" and should_compile(config)
