"""Read the tensors of a model folder without running code, and load them into a network only if they fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from electra.checkpoints.locate import WEIGHTS
from electra.config import EncoderConfig, require
from electra.core.errors import some_of
from electra.core.log import logger
from electra.core.storage import read_object

N = TypeVar("N", bound=nn.Module)
OTHER_FORMATS = ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack")
OF_ONE_MODEL = "copy its files again, all from one model"
SHOWN = 4  # names in a message
FILE_NAME = re.compile(r"[\w.-]{1,200}")  # in an index: a file of this folder whose name is safe to print


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the tensors of a model folder, from safetensors only: loading a pickle runs its code."""
    weights: dict[str, Tensor] = {}
    for path in weight_files(folder):
        try:
            weights |= load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise ValueError(f"{path} was cut short or altered ({error}); copy it again") from None
    return weights


def weight_files(folder: Path) -> list[Path]:
    """Return the files that hold a model's weights: one, or those in an index."""
    path, index = (folder / name for name in WEIGHTS)
    if path.is_file():  # opening a pipe would wait for a writer
        return [path]
    if index.is_file():
        names = read_object(index).get("weight_map")
        plain = isinstance(names, dict) and all(isinstance(n, str) and FILE_NAME.fullmatch(n) for n in names.values())
        require(plain, f"{index} does not name a file of this folder for each tensor; copy the whole folder again")
        assert isinstance(names, dict)
        files = [folder / name for name in sorted(set(names.values()))]
        missing = [file.name for file in files if not file.is_file()]
        require(not missing, f"{index} names files that do not exist: {', '.join(missing)}; copy them here")
        return files
    other = next((name for name in OTHER_FORMATS if (folder / name).exists()), "")
    hint = f"; convert {other} to safetensors first, as loading it may run its code" if other else ""
    raise ValueError(f"{folder} has no model.safetensors{hint}")


def build_to_fit(
    build: Callable[[], N], config: EncoderConfig, weights: Mapping[str, Tensor], unknown: list[str], folder: Path
) -> N:
    """Build a network; first check on the meta device that the weights fit it, before a wrong size takes memory."""
    require(
        config.num_hidden_layers <= len(weights),
        f"{folder}: config.json wants more layers than the weights have; {OF_ONE_MODEL}",
    )
    try:
        with torch.device("meta"):
            sketch = build()
    except (RuntimeError, OverflowError, TypeError):  # sizes beyond 64 bits
        raise ValueError(f"{folder}: the sizes in config.json are too large for a network; {OF_ONE_MODEL}") from None
    require_fit(sketch, weights, unknown, folder)
    return build()


def fill(network: nn.Module, ours: Mapping[str, Tensor], unknown: list[str], where: Path) -> None:
    """Load tensors into a network, and log those that have no place in it."""
    take_weights(network, ours, unknown, where)
    left_out = sorted((ours.keys() - network.state_dict().keys()) | set(unknown))
    if left_out:
        logger.warning(f"{where}: left out, as the model has no place for them: {', '.join(left_out)}")
    network.eval()


def take_weights(network: nn.Module, ours: Mapping[str, Tensor], unknown: list[str], folder: Path) -> None:
    """Load tensors into a network; ValueError if any is missing, of another shape, or has NaN or infinity."""
    require_fit(network, ours, unknown, folder)
    wanted = network.state_dict().keys()
    broken = sorted(name for name in wanted if not ours[name].isfinite().all())
    require(
        not broken,
        f"{folder}: NaN or infinity in {', '.join(broken)}; training diverged, or the file was altered: "
        "take another model, or copy it again",
    )
    network.load_state_dict({name: ours[name] for name in wanted})


def require_fit(network: nn.Module, ours: Mapping[str, Tensor], unknown: list[str], folder: Path) -> None:
    """Raise ValueError if tensors are missing or of another shape."""
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    missing = sorted(wanted.keys() - ours.keys())
    wrong = sorted(name for name in wanted.keys() & ours.keys() if wanted[name] != ours[name].shape)
    lists = {"missing": missing, "of another shape": wrong, "unknown": sorted(unknown)}
    differing = ", ".join(f"{what} {some_of(names, SHOWN)}" for what, names in lists.items() if names)
    if missing or wrong:
        raise ValueError(f"{folder}: the weights do not fit config.json: {differing}; {OF_ONE_MODEL}")
