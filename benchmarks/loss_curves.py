"""Do the fast paths learn what the simple one learns? Loss curves of the tiny preset beside each other.

    python benchmarks/loss_curves.py --data runs/demo/data --steps 500 --out results/loss_curves.json

fp32 without a compiler is the simple path; other seeds of it are the noise that differences are to be compared with.
Where the machine has no bf16 products, --emulate makes them as hardware does: exact products, summed in fp32, rounded
once. Each path's curve is added to the file given by --out: the command goes on where it was cut.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from electra.config import find_preset
from electra.core.hardware import provenance
from electra.core.runs import read_metrics
from electra.core.storage import read_json, write_json
from electra.pretraining.run import pretrain

PATHS = {
    "fp32": dict(precision="fp32", compile="off"),
    "fp32, compiled": dict(precision="fp32", compile="on"),
    "bf16": dict(precision="bf16", compile="off"),
    "bf16, compiled": dict(precision="bf16", compile="on"),
    "fp32, seed 1": dict(precision="fp32", compile="on", seed=1),
    "fp32, seed 2": dict(precision="fp32", compile="on", seed=2),
}
LOSSES = ("gen_loss", "disc_loss")
PRODUCTS = (torch.ops.aten.mm.default, torch.ops.aten.bmm.default, torch.ops.aten.addmm.default)


class Products(TorchDispatchMode):
    """bf16 products on a machine that has none."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in PRODUCTS and args[-1].dtype == torch.bfloat16:
            return func(*(a.float() for a in args), **(kwargs or {})).bfloat16()
        return func(*args, **(kwargs or {}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rows", type=int, default=32, help="a step")
    parser.add_argument("--every", type=int, default=25)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--emulate", action="store_true", help="bf16 uncompiled, on a machine without bf16 products")
    options = parser.parse_args()
    curves = read_json(options.out)["curves"] if options.out.exists() else {}
    names = [name for name in PATHS if not (options.emulate and name == "bf16, compiled")]
    for name in (name for name in names if name not in curves):
        with Products() if options.emulate and name == "bf16" else nullcontext():
            curves[name] = curve(options, **PATHS[name])
        settings = {"steps": options.steps, "rows": options.rows, "every": options.every, "emulated": options.emulate}
        found = {"differences": differences(curves), "curves": curves, "settings": settings}
        write_json(options.out, found | provenance())
    print(json.dumps(differences(curves), indent=1))


def differences(curves: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """How far each path's losses are from the simple path's."""
    simple = curves["fp32"]
    return {
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


def curve(options: argparse.Namespace, **path: object) -> dict[str, list[float]]:
    """The mean losses over every so many steps."""
    with tempfile.TemporaryDirectory() as folder:
        tiny = find_preset("tiny", "electra")
        config = replace(
            tiny, model=replace(tiny.model, memory=0), data=options.data, out=folder, train_steps=options.steps,
            log_steps=options.every, eval_steps=0, save_steps=0, threads=options.threads,
            train_batch_size=options.rows, **path,
        )  # fmt: skip
        pretrain(config)
        lines = [line for line in read_metrics(Path(folder)) if line["kind"] == "train"]
    return {loss: [line[loss] for line in lines] for loss in LOSSES}


if __name__ == "__main__":
    main()
