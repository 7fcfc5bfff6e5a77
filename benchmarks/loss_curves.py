"""Do the fast paths learn what the simple one learns? Loss curves of the tiny preset beside each other.

    python benchmarks/loss_curves.py --data runs/demo/data --steps 500 > results/loss_curves.json

fp32 without a compiler is the simple path; another seed of it is the noise that differences are to be compared with.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from electra.config import PRESETS
from electra.machine import provenance
from electra.pretrain import pretrain
from electra.training.log import read_metrics

PATHS = {
    "fp32": dict(precision="fp32", compile="off"),
    "fp32, compiled": dict(precision="fp32", compile="on"),
    "bf16, compiled": dict(precision="bf16", compile="on"),
    "fp32, another seed": dict(precision="fp32", compile="off", seed=1),
}
LOSSES = ("gen_loss", "disc_loss")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--every", type=int, default=25)
    options = parser.parse_args()
    curves = {name: curve(options, **path) for name, path in PATHS.items()}
    simple = curves["fp32"]
    differences = {
        name: {
            loss: {
                "first": abs(c[loss][0] - simple[loss][0]),
                "mean": sum(abs(a - b) for a, b in zip(c[loss], simple[loss], strict=True)) / len(c[loss]),
                "last": abs(c[loss][-1] - simple[loss][-1]),
            }
            for loss in LOSSES
        }
        for name, c in curves.items()
        if name != "fp32"
    }
    settings = {"steps": options.steps, "every": options.every}
    print(json.dumps({"differences": differences, "curves": curves, "settings": settings, **provenance()}, indent=1))


def curve(options: argparse.Namespace, **path: object) -> dict[str, list[float]]:
    """The mean losses over every so many steps."""
    with tempfile.TemporaryDirectory() as folder:
        config = replace(
            PRESETS["tiny"], data=options.data, out=folder, train_steps=options.steps, log_steps=options.every,
            eval_steps=0, save_steps=0, **path,
        )  # fmt: skip
        pretrain(config)
        lines = [line for line in read_metrics(Path(folder)) if line["kind"] == "train"]
    return {loss: [line[loss] for line in lines] for loss in LOSSES}


if __name__ == "__main__":
    main()
