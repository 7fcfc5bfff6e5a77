"""Fine-tune a model on a list of tasks and write one result file, beside the same network from scratch and TF-IDF.

The folder of tasks holds NAME/SPLIT.jsonl.xz (or .json.xz for question answering). A task is NAME, or TRAIN:TEST where
it is measured on another's data; NAME/SPLIT picks a file. What is in the result file already is not done again.

    python benchmarks/tasks.py --model runs/tiny --tasks tasks/ --list sst2,rte,conll2000,qnli_derived:qnli/dev \\
        --seeds 3 --out results/tasks-tiny.json
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))

from electra.config import EvaluateConfig  # noqa: E402
from electra.core.hardware import provenance  # noqa: E402
from electra.core.storage import read_json, write_json  # noqa: E402
from electra.tasks import find_task  # noqa: E402

KINDS = {
    "stsb": "stsb",
    "sst2": "sst2",
    "rte": "rte",
    "fce_ged": "errors",
    "squadshifts": "qa",
    "xquad": "qa",
    "cmrc2018": "qa",
}
MAIN = "pre-trained"
TRAIN, DEV = ("train", "new_wiki_train", "cmrc2018_trial"), ("dev", "test", "new_wiki_dev", "cmrc2018_dev")


def main() -> None:
    options = read_options()
    out = Path(options.out)
    results = read_json(out) if out.exists() else {"results": {}}
    if options.baselines:
        renewed = {key: r | {"baselines": baselines(options, key, r)} for key, r in results["results"].items()}
        write_json(out, results | {"results": renewed, "baselines": provenance()})
        return
    for name in options.list.split(","):
        for kind, model in models(options).items():
            key = f"{name}, {kind}"
            if key not in results["results"]:
                results["results"][key] = measure(options, name, kind, model)
                write_json(out, results | {"options": vars(options), **provenance()})
        show(name, results["results"])


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="a run or Hugging Face directory")
    parser.add_argument("--tasks", required=True, help="folder of the tasks")
    parser.add_argument("--list", default="", help="names, separated by commas")
    parser.add_argument("--baselines", action="store_true", help="only measure again what needs no network, in --out")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", required=True, help="the result file")
    parser.add_argument("--work", default="runs/tasks", help="folder of the fine-tuned models")
    parser.add_argument("--scratch", action=argparse.BooleanOptionalAction, default=True, help="also untrained")
    parser.add_argument("--others", default="", help="NAME=FOLDER of further models, separated by commas")
    parser.add_argument("--learning-rate", type=float, default=0.0, help="0: the preset's")
    parser.add_argument("--epochs", type=float, default=0.0, help="0: the paper's for the task")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch's choice")
    parser.add_argument("--max-minutes", type=float, default=0.0, help="of a fine-tuning; 0: no limit")
    options = parser.parse_args()
    if not options.baselines and not (options.model and options.list):
        parser.error("name a --model and a --list of tasks")
    return options


def models(options: argparse.Namespace) -> dict[str, str]:
    """The model, others to compare it with, and the same network with random weights."""
    found = {MAIN: options.model} | dict(pair.split("=", 1) for pair in options.others.split(",") if pair)
    return found | ({"from scratch": str(scratch(options))} if options.scratch else {})


def scratch(options: argparse.Namespace) -> Path:
    """A directory like the model's whose weights have seen nothing."""
    import torch

    from electra.checkpoints.huggingface import load_encoder, save_network
    from electra.checkpoints.locate import model_folder
    from electra.models.electra.initialisation import initialise_randomly
    from electra.models.heads import Discriminator
    from electra.text.tokenizer import load_tokenizer

    source, folder = model_folder(Path(options.model)), Path(options.work) / "scratch"
    if not (folder / "config.json").exists():
        torch.manual_seed(0)
        network = Discriminator(load_encoder(source))
        for part in network.modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
        initialise_randomly(network, network.encoder.config.initializer_range)
        save_network(folder, network, load_tokenizer(source), network.encoder.config.max_position_embeddings)
    return folder


def measure(options: argparse.Namespace, name: str, kind: str, model: str) -> dict:
    """All seeds of one model on one task."""
    from electra.finetuning.evaluate import evaluate

    trained, _, tested = name.partition(":")
    folder = Path(options.tasks)
    label = f"{name}-{kind}".replace("/", "_").replace(":", "_").replace(" ", "-")
    began = time.perf_counter()
    summary = evaluate(
        EvaluateConfig(
            model=model, task=KINDS.get(trained.split("/")[0], "auto"), train=str(split(folder, trained, TRAIN)),
            suite=str(split(folder, tested or trained, DEV)), out=str(Path(options.work) / label), seeds=options.seeds,
            learning_rate=options.learning_rate, epochs=options.epochs, max_minutes=options.max_minutes,
            baseline=kind == MAIN, threads=options.threads, log_steps=100,
        )
    )  # fmt: skip
    (result,) = summary["results"]
    file = str(Path(result["file"]).relative_to(folder))
    return result | {"model": model, "file": file, "minutes": round((time.perf_counter() - began) / 60, 2)}


def baselines(options: argparse.Namespace, key: str, result: dict) -> list[dict]:
    """The rows of a result that need no network."""
    from electra.finetuning.evaluate import row_of

    task, folder = find_task(result["task"])(columns={}), Path(options.tasks)
    train = task.read(str(split(folder, key.split(", ")[0].split(":")[0], TRAIN)), "train")
    task.learn(train)
    examples = task.read(str(folder / result["file"]), result["split"])
    answered = task.baselines(train, examples, key.endswith(MAIN))
    return [row_of(name, task, predictions, examples) for name, predictions in answered]


def split(folder: Path, name: str, wanted: tuple[str, ...]) -> Path:
    """The file of a split, the one that is named or the first that is there."""
    task, _, file = name.partition("/")
    names = (file,) if file else wanted
    for stem in names:
        for path in sorted((folder / task).glob(f"{stem}.json*")):
            return path
    raise SystemExit(f"{folder / task} holds none of {', '.join(names)}")


def show(name: str, results: dict[str, dict]) -> None:
    """The rows of a task."""
    rows = {key.split(", ", 1)[1]: r for key, r in results.items() if key.startswith(name + ", ")}
    percent = find_task(next(iter(rows.values()))["task"]).shown
    for kind, r in rows.items():
        print(f"{name:28} {kind:28} {r['main_metric']} {percent(r['kept'])} (mean {percent(r['mean'])})")
    for b in next(iter(rows.values()))["baselines"]:
        print(f"{name:28} {b['name']:28} {percent(b['score'])}")


if __name__ == "__main__":
    main()
