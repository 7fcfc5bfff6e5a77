"""Fine-tuning and prediction on short texts: ours beside Hugging Face's Trainer and pipeline, the same weights.

Rounds alternate in one process, so that a machine that slows down slows both. A round fine-tunes for a number of steps
of 32 texts (both measure the loop only, without loading), then asks both for the labels of the same texts, the pipeline
one text at a time, as it does by default, and in batches of 32. Texts are made of words of the vocabulary, their
lengths log-normal as those of sentences are (SST-2's training phrases: a mean of 9 words; its sentences: 19).

    python benchmarks/finetune_speed.py --model runs/mine --rounds 3 --json
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
LABELS = ("down", "up")


def main() -> None:
    options = read_options()
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        compare(options, Path(folder))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="a run or Hugging Face directory; default: random ELECTRA-Small")
    parser.add_argument("--words", type=float, default=19.0, help="mean words of a text")
    parser.add_argument("--steps", type=int, default=10, help="of fine-tuning, a round; 32 texts each")
    parser.add_argument("--texts", type=int, default=256, help="to predict, a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's choice")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser.parse_args()


def compare(options: argparse.Namespace, folder: Path) -> None:
    """Alternate and print medians."""
    start = Path(options.model) if options.model else random_small(folder / "start")
    texts = made_texts(options, start)
    ours, theirs = our_finetuning(start, folder, texts, options), their_finetuning(start, folder, texts, options)
    tuned = folder / "tuned"
    seconds: dict[str, list[float]] = {}
    predictors: dict[str, Callable[[], list[str]]] = {}
    for number in range(options.rounds + 1):  # the first round warms up
        for name, step in alternate({"finetune ours": ours, "finetune trainer": theirs}, number):
            seconds.setdefault(name, []).append(step())
        predictors = predictors or our_and_their_prediction(tuned, folder, texts[: options.texts])
        answers = {}
        for name, predict in alternate(predictors, number):
            began = time.perf_counter()
            answers[name] = predict()
            seconds.setdefault(name, []).append(time.perf_counter() - began)
    same = sum(len(set(given)) == 1 for given in zip(*answers.values(), strict=True)) / options.texts
    report(options, seconds, same)


def alternate(what: dict, number: int) -> list:
    return list(what.items()) if number % 2 == 0 else list(what.items())[::-1]


def random_small(folder: Path) -> Path:
    """ELECTRA-Small with random weights and a vocabulary of made words."""
    import torch

    from electra.checkpoints.huggingface import save_network
    from electra.config import PRESETS
    from electra.models.electra.encoder import Encoder
    from electra.models.electra.initialisation import initialise_randomly
    from electra.models.heads import Discriminator
    from electra.text.vocabulary import train_tokenizer

    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]
    tokenizer = train_tokenizer("wordpiece", [" ".join(words)] * 3, 8000, True)
    torch.manual_seed(0)
    network = Discriminator(Encoder(replace(PRESETS["small"].model, vocab_size=30522)))
    initialise_randomly(network, 0.02)
    save_network(folder, network, tokenizer, 128)
    return folder


def made_texts(options: argparse.Namespace, start: Path) -> list[str]:
    """Texts of the words of the vocabulary."""
    from electra.text.tokenizer import load_tokenizer

    rng = random.Random(1)
    words = [w for w in load_tokenizer(start).backend.get_vocab() if w.isalpha() and len(w) > 1]
    count = max(options.texts, 32 * options.steps)
    lengths = [min(90, max(1, round(rng.lognormvariate(0, 0.55) * options.words / 1.16))) for _ in range(count)]
    return [" ".join(rng.choices(words, k=k)) for k in lengths]


def our_finetuning(start: Path, folder: Path, texts: list[str], options: argparse.Namespace) -> Callable[[], float]:
    """Seconds of `steps` steps of our loop, the first time also making the model that both are asked with."""
    from electra.config import FinetuneConfig
    from electra.finetuning.material import read_material
    from electra.finetuning.run import finetune
    from electra.finetuning.training import build_training

    rows = [json.dumps({"text": t, "label": LABELS[n % 2]}) + "\n" for n, t in enumerate(texts)]
    (folder / "train.jsonl").write_text("".join(rows))
    config = FinetuneConfig(
        model=str(start), train=str(folder / "train.jsonl"), out=str(folder / "tuned"), train_steps=options.steps,
        log_steps=1_000_000, save_steps=0, task="classification",
    )  # fmt: skip
    finetune(config)
    material = read_material(config)
    config = config.resolved(material_hidden(start), len(material.train), 3)

    def run() -> float:
        _, trainer = build_training(config, material, folder)
        began = time.perf_counter()
        for _ in range(options.steps):
            trainer.train_step()
        return time.perf_counter() - began

    return run


def material_hidden(start: Path) -> int:
    from electra.checkpoints.locate import model_folder
    from electra.core.storage import read_json

    return read_json(model_folder(start) / "config.json")["hidden_size"]


def their_finetuning(start: Path, folder: Path, texts: list[str], options: argparse.Namespace) -> Callable[[], float]:
    """Seconds of the same steps by Hugging Face's Trainer: dynamic padding, its defaults, tokenised before."""
    import transformers

    from electra.checkpoints.locate import model_folder

    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder(start))
    encoded = [
        {**tokenizer(t, truncation=True, max_length=128), "labels": n % 2} for n, t in enumerate(texts)
    ]  # fmt: skip

    def run() -> float:
        network = transformers.ElectraForSequenceClassification.from_pretrained(model_folder(start), num_labels=2)
        arguments = transformers.TrainingArguments(
            output_dir=str(folder / "trainer"), per_device_train_batch_size=32, max_steps=options.steps,
            report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True, learning_rate=3e-4,
        )  # fmt: skip
        trainer = transformers.Trainer(
            model=network, args=arguments, train_dataset=encoded,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )  # fmt: skip
        return trainer.train().metrics["train_runtime"]

    return run


def our_and_their_prediction(tuned: Path, folder: Path, texts: list[str]) -> dict[str, Callable[[], list[str]]]:
    """Ours, the pipeline as it is called by most, and the pipeline in batches."""
    import transformers

    import electra

    model = electra.load(tuned, device="cuda" if has_gpu() else "cpu")
    pipe = transformers.pipeline("text-classification", model=str(tuned), device=0 if has_gpu() else "cpu")
    return {
        "predict ours": lambda: [p["label"] for p in model.predict(texts)],
        "predict pipeline": lambda: [p["label"] for p in pipe(texts)],
        "predict pipeline, batches of 32": lambda: [p["label"] for p in pipe(texts, batch_size=32)],
    }


def has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def report(options: argparse.Namespace, seconds: dict[str, list[float]], same: float) -> None:
    """Texts a second of everything, the ratios, and where they were measured."""
    texts = {name: 32 * options.steps if name.startswith("finetune") else options.texts for name in seconds}
    speed = {name: texts[name] / statistics.median(times[1:]) for name, times in seconds.items()}
    ratio = {n: speed[n.split()[0] + " ours"] / s for n, s in speed.items() if not n.endswith("ours")}
    for name, value in speed.items():
        beside = f"  ours is {ratio[name]:.2f} times as fast" if name in ratio else ""
        print(f"{name:32} {value:8,.1f} texts/s{beside}")
    print(f"the same labels from all: {100 * same:.1f} %")
    if options.json:
        import torch

        from electra.core.hardware import provenance

        result = {
            "texts_per_second": {k: round(v, 1) for k, v in speed.items()},
            "ratio": {k: round(v, 3) for k, v in ratio.items()},
            "seconds": {k: [round(s, 4) for s in v[1:]] for k, v in seconds.items()},
            "same_labels": same,
            "options": vars(options),
            "threads": torch.get_num_threads(),
            **provenance("accelerate"),
        }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
