"""Tokens per second and latency of a discriminator: exported files beside torch and Hugging Face, eager and compiled.

Blocks of calls alternate, so that a machine that slows down slows all of them. Rows are full; the weights are random,
as the time does not depend on them.

    python benchmarks/inference_speed.py --threads 2 --json > results/inference_speed.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

SHAPES = {"1x32": (1, 32), "1x128": (1, 128), "32x128": (32, 128)}
BLOCK_SECONDS = 0.4  # the calls of one implementation before the next has its turn
FIRST_WORD, CALIBRATION_BATCHES = 1000, 16
FAST = ("openvino-int8", "openvino-bf16", "onnx-int8")
BARS = {"1x32": 6.0, "32x128": 3.5}  # times Hugging Face eager


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peers", default="hf,hf-compiled", help="hf, or hf,hf-compiled: compiling takes minutes")
    parser.add_argument("--model", default="", help="an exported folder; default: the preset with random weights")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(implementations(options, Path(folder)), options)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for shape, rows in result["shapes"].items():
        for name, row in rows.items():
            print(f"{shape:7} {name:14} {row['tokens_per_second']:9,.0f} tokens/s  p50 {row['p50_ms']:8.2f} ms  "
                  f"p99 {row['p99_ms']:8.2f} ms  {row['times_hf']:5.2f} times hf")  # fmt: skip


# -- what is compared --------------------------------------------------------------------------------------------------


def implementations(options: argparse.Namespace, folder: Path) -> dict[str, Callable]:
    """By name: a function of inputs by name, numpy arrays of int64."""
    import torch

    from electra.config import find_preset
    from electra.models.electra.encoder import Encoder
    from electra.models.graph import Graph
    from electra.models.heads import Discriminator

    torch.manual_seed(0)
    config = replace(find_preset(options.preset, "electra").model, memory=0)
    graph = Graph(Discriminator(Encoder(config))).eval()
    found = {name: hugging_face(config, name == "hf-compiled") for name in options.peers.split(",")}
    found["torch"] = in_torch(graph)
    if not options.model:
        write_files(graph, folder, config.vocab_size)
    return found | exported(Path(options.model) if options.model else folder, options.threads)


def hugging_face(config, compiled: bool = False) -> Callable:
    import transformers

    shape = transformers.ElectraConfig(**{name: getattr(config, name) for name in vars(config)})
    return in_torch(transformers.ElectraForPreTraining(shape).eval(), compiled)


def in_torch(model, compiled: bool = False) -> Callable:
    import torch

    model = torch.compile(model, dynamic=True) if compiled else model

    def call(inputs: dict) -> None:
        with torch.inference_mode():
            model(**{name: torch.from_numpy(array) for name, array in inputs.items()})

    return call


def write_files(graph, folder: Path, vocab_size: int) -> None:
    """Every format; the ranges of int8 come from random rows, which is good enough for its speed."""
    from electra.exporting.write import quantise_onnx, quantise_openvino, write_onnx, write_openvino
    from electra.inference.sessions import FORMATS

    for name, write in (("onnx", write_onnx), ("openvino", write_openvino)):
        (folder / FORMATS[name].file).parent.mkdir()
        write(graph, folder / FORMATS[name].file)
    quantise_onnx(folder / FORMATS["onnx"].file, folder / FORMATS["onnx-int8"].file)
    batches = [inputs((4, 64), vocab_size, seed) for seed in range(CALIBRATION_BATCHES)]
    quantise_openvino(folder / FORMATS["openvino"].file, folder / FORMATS["openvino-int8"].file, batches)


def exported(folder: Path, threads: int) -> dict[str, Callable]:
    """The formats a folder holds, as electra.load runs them."""
    from electra.inference.sessions import FORMATS, open_session

    sessions = {name: open_session(folder, name, threads) for name, f in FORMATS.items() if (folder / f.file).exists()}
    return {name: lambda rows, session=session: session(rows, ["logits"]) for name, session in sessions.items()}


def inputs(shape: tuple[int, int], vocab_size: int, seed: int = 0) -> dict:
    """Full rows of random words."""
    import numpy as np

    ids = np.random.default_rng(seed).integers(min(FIRST_WORD, vocab_size // 2), vocab_size, shape)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


# -- measuring ---------------------------------------------------------------------------------------------------------


def measure(named: dict[str, Callable], options: argparse.Namespace) -> dict:
    """Alternate blocks of calls, the order turned round each time."""
    from electra.config import find_preset
    from electra.core.hardware import provenance

    shapes = {}
    for label, shape in SHAPES.items():
        rows = inputs(shape, find_preset(options.preset, "electra").model.vocab_size)
        calls = {name: block_size(call, rows) for name, call in named.items()}
        seconds: dict[str, list[float]] = {name: [] for name in named}
        for number in range(options.rounds):
            for name in list(named)[:: 1 if number % 2 == 0 else -1]:
                seconds[name] += timed(named[name], rows, calls[name])
        shapes[label] = summary(seconds, shape[0] * shape[1])
    return {
        "shapes": shapes,
        "bars_met": {
            label: [name for name in FAST if shapes[label].get(name, {}).get("times_hf", 0) >= bar]
            for label, bar in BARS.items()
        },
        "settings": {k: v for k, v in vars(options).items() if k != "json"},
        **provenance("nncf"),
    }


def block_size(call: Callable, rows: dict) -> int:
    """Warm up, and say how many calls fill a block."""
    for _ in range(3):
        call(rows)
    return max(2, round(BLOCK_SECONDS / min(timed(call, rows, 2))))


def timed(call: Callable, rows: dict, times: int) -> list[float]:
    found = []
    for _ in range(times):
        start = time.perf_counter()
        call(rows)
        found.append(time.perf_counter() - start)
    return found


def summary(seconds: dict[str, list[float]], tokens: int) -> dict[str, dict]:
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        name: {
            "tokens_per_second": round(tokens / middle[name], 1),
            "p50_ms": round(1e3 * middle[name], 3),
            "p99_ms": round(1e3 * sorted(times)[min(len(times) - 1, int(0.99 * len(times)))], 3),
            "times_hf": round(middle["hf"] / middle[name], 2),
            "calls": len(times),
        }
        for name, times in seconds.items()
    }


if __name__ == "__main__":
    main()
