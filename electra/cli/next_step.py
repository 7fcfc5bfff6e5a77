"""The commands that may follow a command, for the last lines of its output."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from electra.config import ExportConfig, PrepareConfig, find_preset
from electra.config.presets import LAPTOP
from electra.core.log import logger


def tell_next(commands: Iterator[str]) -> None:
    """Log commands, each on a line of its own."""
    for number, command in enumerate(commands):
        logger.info(f"{'' if number else 'next':9}{command}")


def after_prepare(config: PrepareConfig, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield the command that trains on the text: from the model whose vocabulary it has, or the preset of its size."""
    from electra.checkpoints.locate import WEIGHTS

    given = Path(config.tokenizer)
    if any((given / part / name).is_file() for part in ("", "model") for name in WEIGHTS):
        start = f"--init {shlex.quote(config.tokenizer)}"
    else:
        sizes = {name: find_preset(name).model.vocab_size for name in LAPTOP}
        fitting = (name for name in sorted(sizes, key=sizes.__getitem__) if manifest["vocab_size"] <= sizes[name])
        start = f"--preset {next(fitting, 'small')}"
    yield f"electra pretrain {start} --data {shlex.quote(config.out)} --out runs/{shlex.quote(name_of(config.out))}"


def after_training(out: str) -> Iterator[str]:
    """Yield the commands that use a trained model, pre-trained or fine-tuned, and export a fine-tuned one."""
    from electra.checkpoints.locate import is_finetuned, model_folder, network_kind
    from electra.core.storage import read_object
    from electra.models.kinds import EXPORTABLE, Kind

    run, folder = shlex.quote(out), model_folder(Path(out))
    kind = network_kind(read_object(folder / "config.json"))
    if kind is Kind.DISCRIMINATOR:
        yield f"electra detect {run} FILE"
    else:
        yield f"electra predict {run} FILE" if is_finetuned(folder) else f"electra finetune {run} --train FILE"
    if folder == Path(out) and kind in EXPORTABLE:
        yield f"electra export {run} --out exported/{shlex.quote(name_of(out))} --int8"


def after_export(config: ExportConfig) -> Iterator[str]:
    """Yield the command that serves an exported model."""
    yield f"electra serve {shlex.quote(config.out)}"


def after_demo(out: str) -> Iterator[str]:
    """Yield the commands that use the model of the demo, and that begin with a user's own text."""
    yield f"electra detect {shlex.quote(f'{out}/run')} FILE"
    yield "electra prepare YOUR_TEXT --out data/mine --vocab-size 4096"


def name_of(folder: str) -> str:
    """Return the last part of a path."""
    return Path(folder).resolve().name
