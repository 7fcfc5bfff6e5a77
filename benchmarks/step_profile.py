"""Where the time of a training step goes: the very step `electra bench` times, under torch's profiler.

    python benchmarks/step_profile.py --out results/step_profile.json small tiny

Seconds are those of the operations themselves, without what they call; kernels that the compiler wrote are told apart
by their names. What no operation accounts for (Python, dispatch) is the rest of the profiled step.
"""

from __future__ import annotations

import argparse
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from result_file import add
from torch._inductor import config as inductor
from torch.profiler import ProfilerActivity, profile

from electra.config import BenchConfig
from electra.cost.bench import as_benchmarked, random_rows, training_step, windows
from electra.training.memory import keep_freed_memory

PARTS = {  # the first whose words occur in an operation's name takes its time
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "mkldnn"),
    "attention: softmax, mask, dropout": ("softmax",),
    "GELU and its gradient": ("gelu",),
    "layer norms, residuals, dropout": ("layer_norm",),
    "losses and sampling": ("_exp_", "amax", "gather", "scatter", "sort", "log_sigmoid", "cumsum"),
    "other kernels of the compiled layers": ("cpp_fused",),
    "embeddings": ("embedding", "index_select"),
    "random numbers": ("random_", "uniform_"),
    "clip and update": ("_fused_adamw_", "_foreach", "linalg_vector_norm", "Optimizer", "aten::mul_"),
    "copies, casts and fills": ("copy_", "fill_", "aten::eq"),
    "calls of compiled graphs": ("CompiledF", "Torch-Compiled", "TorchDynamo"),
}
CPU = torch.device("cpu")
SETTLED = 100  # page faults a step; the profiler's own blocks disturb the heap at first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    inductor.cpp.enable_kernel_profile = True
    keep_freed_memory()
    for preset in options.presets:
        row = profiled(preset, options.steps)
        print(row, flush=True)
        add(options.out, preset, row)


def profiled(preset: str, steps: int) -> dict[str, Any]:
    """Seconds of a step, those under the profiler, and their shares by part, largest first."""
    run, length, rows = as_benchmarked(BenchConfig(preset=preset, architecture="electra", device="cpu"))
    run = replace(run, model=replace(run.model, memory=0))
    step, _ = training_step(run, random_rows(run.model.vocab_size, rows, length))
    (without,) = windows(step, 1, steps, CPU)
    seconds, faults, found = under_profiler(step, steps)
    parts = by_part({e.key: e.self_cpu_time_total / 1e6 / steps for e in found.key_averages()})
    parts["the rest"] = seconds - sum(parts.values())
    return {
        "seconds_per_step": round(without, 4),
        "profiled_seconds_per_step": round(seconds, 4),
        "page_faults_per_step": round(faults),
        "share": {name: round(value / seconds, 4) for name, value in parts.most_common()},
    }


def under_profiler(step: Callable[[], None], steps: int) -> tuple[float, float, profile]:
    """Seconds of a step, its page faults and what was found, once the heap has settled or after ten tries."""
    for _ in range(10):
        before = page_faults()
        with profile(activities=[ProfilerActivity.CPU]) as found:
            (seconds,) = windows(step, 1, steps, CPU)
        faults = (page_faults() - before) / steps
        if faults < SETTLED:
            break
    return seconds, faults, found


def page_faults() -> int:
    """How often this process has touched a new page."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def by_part(seconds: dict[str, float]) -> Counter[str]:
    """Sum up operations by part; those of no part are one by themselves."""
    parts: Counter[str] = Counter()
    for operation, value in seconds.items():
        part = next((part for part, words in PARTS.items() if any(word in operation for word in words)), "other")
        parts[part] += value
    return parts


if __name__ == "__main__":
    main()
