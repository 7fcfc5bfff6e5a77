"""What identifies a run of a race, so that none is trained twice, and the folders of runs."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from pathlib import Path

from electra.checkpoints.locate import model_folder
from electra.config import CompareConfig, PretrainConfig
from electra.core.storage import sha256
from electra.data.shards import prepared_folder
from electra.objectives import find_objective
from electra.pretraining.identity import flat
from electra.pretraining.resumption import FREE_TO_CHANGE


def key_of(config: PretrainConfig, points: int) -> str:
    """Hash the resolved configuration, the text and the number of points, which identify a run."""
    settings = {name: value for name, value in flat(config).items() if name not in FREE_TO_CHANGE}
    settings |= {"points": points, "text": sha256(prepared_folder(config.data) / "manifest.json")} | origins(config)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


def origins(config: PretrainConfig) -> dict[str, list[str]]:
    """Return the hashes of external files that a run depends on: its objective's code and its starting models."""
    named = config.init.split(",") if config.starts_from_model else []
    named += [config.generator_folder] if config.generator_folder else []
    files = [file for path in named for file in sorted(model_folder(Path(path)).rglob("*.safetensors"))]
    if ":" in config.objective:
        files.append(Path(inspect.getfile(find_objective(config.objective))))
    return {"origins": [sha256(file) for file in files]} if files else {}


def runs_of(config: CompareConfig) -> Path:
    """Return the folder of the runs."""
    return Path(config.runs or f"{config.out}/runs")


def folder_of(runs: Path, name: str, seed: int, key: str) -> Path:
    """Return the folder of a run, also if an equal run was made under another name."""
    return next(runs.glob(f"*-{key}"), runs / f"{re.sub('[^a-z0-9_.]+', '-', name.lower())[:60]}-{seed}-{key}")
