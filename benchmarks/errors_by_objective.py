"""Is replaced token detection the better start for finding wrong words? The objectives of a race, fine-tuned alike.

Contestants of equal operations (see `electra compare`) learn errors planted in clean text with `--preset fast`, seed by
seed, and are measured on labelled texts they never saw, each at the threshold chosen on the held-out text.

    python benchmarks/errors_by_objective.py --data PREPARED --train clean.txt --dev heldout.txt \\
        --labelled fce=fce_dev.jsonl --budget 2Mtok --seeds 3 --out results/errors_by_objective.json
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from electra.comparison.compare import compare  # noqa: E402
from electra.config import CompareConfig, EvaluateConfig, FinetuneConfig  # noqa: E402
from electra.core.hardware import provenance  # noqa: E402
from electra.core.storage import read_json, write_json  # noqa: E402
from electra.finetuning.evaluate import evaluate  # noqa: E402
from electra.finetuning.run import finetune  # noqa: E402

OBJECTIVES = ("electra", "mlm")
UNTRAINED = "untrained"  # the first objective's network before its first step
SCORES = ("f0.5", "ap", "precision", "recall", "false_marks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder that `electra prepare` wrote")
    parser.add_argument("--train", required=True, help="clean text in which errors are planted, a passage a line")
    parser.add_argument("--dev", required=True, help="clean text for the threshold")
    parser.add_argument("--labelled", action="append", default=[], help="NAME=FILE of labelled texts, several times")
    parser.add_argument("--budget", default="2Mtok", help="of pre-training, as in `electra compare`")
    parser.add_argument("--steps", type=int, default=300, help="of fine-tuning, 64 passages each")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/errors_by_objective"))
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    race = CompareConfig(
        data=options.data, out=str(options.runs), objectives=OBJECTIVES, budget=options.budget, seeds=options.seeds,
        points=1, settings=(f"threads={options.threads}",),
    )  # fmt: skip
    flops = compare(race)["flops"]
    found: dict[str, dict[str, list[dict[str, float]]]] = {name: {} for name in (*OBJECTIVES, UNTRAINED)}
    for name, files in found.items():
        for seed in range(options.seeds):
            model = learned(options, start(options.runs, name, seed), seed)
            for labelled in (f"planted={options.dev}", *options.labelled):
                where, file = labelled.split("=", 1)
                files.setdefault(where, []).append(scores(model, file))
                print(name, seed, where, files[where][-1], flush=True)
    about = {"budget": options.budget, "flops": flops, "steps": options.steps, "seeds": options.seeds}
    rows = {name: {where: summary(seeds) for where, seeds in files.items()} for name, files in found.items()}
    write_json(options.out, about | rows | provenance())


def start(runs: Path, name: str, seed: int) -> Path:
    """Return the model that a contestant begins fine-tuning from."""
    untrained = name == UNTRAINED
    points = sorted(runs.glob(f"runs/{OBJECTIVES[0] if untrained else name}-{seed}-*/points/*/model"))
    return points[0 if untrained else -1]


def learned(options: argparse.Namespace, point: Path, seed: int) -> Path:
    """Fine-tune a model on planted errors, unless it is there."""
    out = point.parent / "errors"
    how = {"preset": "fast", "train_steps": options.steps, "train_batch_size": 64, "micro_batch_size": 64}
    files = {"model": str(point), "train": options.train, "dev": options.dev, "out": str(out)}
    finetune(FinetuneConfig(task="errors", seed=seed, device="cpu", threads=options.threads, **how, **files))
    return out


def scores(model: Path, file: str) -> dict[str, float]:
    """Return the scores of a fine-tuned detector."""
    out = model / "measured" / Path(file).name
    evaluate(EvaluateConfig(model=str(model), suite=file, out=str(out)))
    (result,) = read_json(out / "summary.json")["results"]
    return {name: result["seeds"][0]["scores"][name] for name in SCORES}


def summary(seeds: list[dict[str, float]]) -> dict[str, Any]:
    """Return each score of each seed, its mean and its sample deviation."""
    row: dict[str, Any] = {}
    for name in SCORES:
        values = [round(each[name], 4) for each in seeds]
        row[name] = {"seeds": values, "mean": round(mean(values), 4)}
        row[name] |= {"deviation": round(stdev(values), 4)} if len(values) > 1 else {}
    return row


if __name__ == "__main__":
    main()
