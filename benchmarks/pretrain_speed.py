"""Tokens per second and peak memory of one ELECTRA pre-training step: ours beside others, on the same text.

Each implementation lives in a process of its own, so that its peak memory is its own; rounds alternate, so that a
machine that slows down slows all. One step is the generator's and the discriminator's forward pass, the backward pass,
clipping and Adam. Tokens are counted without padding: peers read a text a row, padded; ours packs them.

    python benchmarks/pretrain_speed.py --case full128 --peers hf,hf-bf16 --json
    python benchmarks/pretrain_speed.py --case doc512 --text TEXT.txt --peers hf,google \
        --google CLONE --google-python PYTHON_WITH_TENSORFLOW_2.15 --json
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from worker import Worker

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from electra.config import PretrainConfig, find_preset  # noqa: E402
from electra.core.hardware import peak_memory, provenance  # noqa: E402

PAD, CLS, SEP, MASK, FIRST_WORD = 0, 101, 102, 103, 1000  # as in BERT's vocabulary
BATCHES = 8
PEERS = ("hf", "hf-bf16", "hf-compiled", "hf-bf16-compiled", "google")


class Case(NamedTuple):
    """What is trained on what."""

    preset: str
    rows: int
    seq_length: int
    unit: str  # rows of random words, or what stands in a row of a text: a document (cut) or a paragraph
    dropout: float  # of ours; peers keep the paper's
    architecture: str = "electra"


CASES = {
    "full128": Case("small", 32, 128, "random", 0.1),
    "full512": Case("small", 8, 512, "random", 0.1),
    "fast128": Case("small", 32, 128, "random", 0.0),
    "doc128": Case("small", 32, 128, "document", 0.1),
    "doc512": Case("small", 8, 512, "document", 0.1),
    "line128": Case("small", 32, 128, "line", 0.1),
    "tiny128": Case("tiny", 32, 128, "random", 0.1),
    "modernbert128": Case("small", 32, 128, "random", 0.0, "modernbert"),
    "modernbert-tiny128": Case("tiny", 32, 128, "random", 0.0, "modernbert"),
}


def main() -> None:
    options = read_options()
    if options.worker:
        work(options)
    else:
        compare(options)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="full128", choices=CASES)
    parser.add_argument("--text", help="text file for the doc and line cases; documents end with a blank line")
    parser.add_argument("--peers", default="hf", help=f"some of {', '.join(PEERS)}, with commas")
    parser.add_argument("--google", help="a clone of google-research/electra")
    parser.add_argument("--google-python", help="a Python with TensorFlow 2.15")
    parser.add_argument("--rows", type=int, default=0, help="rows of a batch; 0: the case's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="steps a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", default="auto", choices=("auto", "on", "off"), help="of ours, as electra pretrain")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"), help="of ours, likewise")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)
    parser.add_argument("--batches", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def chosen_case(options: argparse.Namespace) -> Case:
    """The case, with as many rows as asked for."""
    case = CASES[options.case]
    return case._replace(rows=options.rows or case.rows)


def configuration(options: argparse.Namespace, dropout: float) -> PretrainConfig:
    """The run of a case, as all implementations train it."""
    case = chosen_case(options)
    run = find_preset(case.preset, case.architecture, "paper")
    model = run.model.with_dropout(dropout)
    if options.case == "tiny128":  # as the reference figures have it: a vocabulary of 8,192, half as wide a generator
        model = replace(model, vocab_size=8192)
        run = replace(run, generator_width=0.5, generator_depth=1.0)
    return replace(
        run, model=model, init="random", optimizer="adamw", train_batch_size=case.rows, micro_batch_size=case.rows,
        device=options.device, compile=options.compile, precision=options.precision, threads=options.threads,
    )  # fmt: skip


# -- the parent --------------------------------------------------------------------------------------------------------


def start(name: str, options: argparse.Namespace, batches: str) -> Worker:
    """The process of one implementation."""
    program = [sys.executable, __file__]
    if name == "google":
        program = [options.google_python, str(Path(__file__).with_name("google_worker.py"))]
    return Worker(name, [*program, *sys.argv[1:], "--worker", name, "--batches", batches])


def compare(options: argparse.Namespace) -> None:
    """Alternate rounds of all implementations and print medians."""
    names = ["electra", *(name for name in options.peers.split(",") if name)]
    with tempfile.TemporaryDirectory() as folder:
        batches = str(Path(folder) / "batches.npz")
        make_batches(options, batches)
        workers = [start(name, options, batches) for name in names]  # each is warm before the next starts
    for number in range(options.rounds):
        for worker in workers if number % 2 == 0 else workers[::-1]:
            worker.measure()
    speed = {w.name: w.about["tokens"] / statistics.median(w.seconds) for w in workers}
    memory = {w.name: w.end() for w in workers}
    ratio = {name: round(speed["electra"] / speed[name], 3) for name in names[1:]}
    memory_ratio = {name: round(memory["electra"] / memory[name], 3) for name in names[1:]}
    for w in workers:
        print(f"{w.name:12} {speed[w.name]:10,.0f} tokens/s  {memory[w.name]:8,.0f} MB  {w.about['how']}")
    print("times as fast as", ratio, " memory, as a share of", memory_ratio)
    if options.json:
        result = {
            "case": options.case,
            "tokens_per_second": round(speed["electra"], 1),
            "peak_memory_mb": round(memory["electra"], 1),
            "ratio": ratio,
            "memory_ratio": memory_ratio,
            "all_tokens_per_second": {name: round(value, 1) for name, value in speed.items()},
            "all_peak_memory_mb": {name: round(value, 1) for name, value in memory.items()},
            "seconds_per_step": {w.name: [round(s, 4) for s in w.seconds] for w in workers},
            "how": {w.name: w.about["how"] for w in workers},
            "parameters": {w.name: w.about["parameters"] for w in workers},
            "tokens_per_step": {w.name: w.about["tokens"] for w in workers},
            "settings": chosen_case(options)._asdict() | {"rounds": options.rounds, "steps": options.steps,
                                                         "threads": options.threads},
            **provenance("tensorflow"),
        }  # fmt: skip
        print(json.dumps(result))


def make_batches(options: argparse.Namespace, path: str) -> None:
    """Write the same texts twice: packed for ours, one a row for the others."""
    import numpy as np

    from electra.data.loader import Loader

    case = chosen_case(options)
    examples = Texts(texts(options, case), case.seq_length)
    arrays = {}
    for name, packed in (("packed", True), ("padded", False)):
        loader = Loader(examples, case.rows, 0, SEP, PAD, (PAD, CLS, SEP, MASK), packed)
        steps = [loader.micro_batches(step, case.rows)[0] for step in range(BATCHES)]
        for field in steps[0]._fields:
            arrays[f"{name}_{field}"] = np.stack([getattr(batch, field).numpy() for batch in steps])
    np.savez(path, **arrays)


class Texts:
    """Token ids in memory, where the loader expects prepared data."""

    def __init__(self, ids: list, seq_length: int) -> None:
        import numpy as np

        self.ids, self.seq_length = ids, seq_length
        self.lengths = np.array([len(row) for row in ids])

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int):
        return self.ids[index]


def texts(options: argparse.Namespace, case: Case) -> list:
    """Rows of token ids between [CLS] and [SEP]: enough for the batches, packed."""
    import numpy as np

    size, vocab_size = case.seq_length - 2, configuration(options, 0.0).model.vocab_size
    if case.unit == "random":
        rng = np.random.default_rng(0)
        pieces = rng.integers(FIRST_WORD, vocab_size, (2 * BATCHES * case.rows, size))
    else:
        pieces = pieces_of_text(options, case, size, vocab_size)
    return [np.concatenate([[CLS], piece, [SEP]]).astype(np.int64) for piece in pieces]


def pieces_of_text(options: argparse.Namespace, case: Case, size: int, vocab_size: int) -> list:
    """Documents or paragraphs of a text, in pieces of at most `size` tokens; a paragraph gives its first piece."""
    import numpy as np

    from electra.text.vocabulary import train_tokenizer

    if not options.text:
        raise SystemExit(f"--case {options.case} needs --text FILE")
    text = Path(options.text).read_text(encoding="utf-8")[:20_000_000]
    documents = text.split("\n\n") if case.unit == "document" else text.splitlines()
    documents = [d for d in documents if d.strip()]
    tokenizer = train_tokenizer("wordpiece", documents, vocab_size, True)
    pieces = []
    for encoding in tokenizer.backend.encode_batch_fast(documents[:20_000], add_special_tokens=False):
        ids = np.maximum(np.array(encoding.ids), FIRST_WORD)  # BERT's places of the special tokens stay free
        starts = range(0, len(ids), size) if case.unit == "document" else range(1)
        pieces += [ids[start : start + size] for start in starts]
    np.random.default_rng(0).shuffle(pieces)
    return pieces[: 20 * BATCHES * case.rows]


# -- the workers -------------------------------------------------------------------------------------------------------


def work(options: argparse.Namespace) -> None:
    """Build, warm up, say so; then run a round for every line that comes, and end with the peak memory."""
    answers, sys.stdout = sys.stdout, sys.stderr
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    step, about, device = (ours if options.worker == "electra" else hugging_face)(options)

    def say(**content: object) -> None:
        print(json.dumps(content), file=answers, flush=True)

    def run(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / steps

    run(2)
    say(**about)
    for _ in sys.stdin:
        say(seconds=run(options.steps))
    say(peak_memory_mb=torch.cuda.max_memory_allocated() / 1e6 if device.type == "cuda" else peak_memory())


def read_batches(options: argparse.Namespace, name: str) -> dict:
    """The arrays [batches, B, L] of one layout as tensors."""
    import numpy as np
    import torch

    with np.load(options.batches) as arrays:
        return {
            key.removeprefix(f"{name}_"): torch.from_numpy(arrays[key]) for key in arrays.files if key.startswith(name)
        }


def ours(options: argparse.Namespace) -> tuple[Callable[[], None], dict, object]:
    """The very step `electra pretrain` takes: its objective, optimizer, loop and metrics."""
    from electra.cost.bench import training_step
    from electra.cost.operations import parameter_counts
    from electra.interface import Batch
    from electra.training.device import choose_device, choose_dtype, should_compile
    from electra.training.memory import keep_freed_memory

    keep_freed_memory()
    config = configuration(options, chosen_case(options).dropout)
    arrays = read_batches(options, "packed")
    batches = [Batch(*(arrays[field][i] for field in Batch._fields)) for i in range(BATCHES)]
    step, _ = training_step(config, batches)
    precision = str(choose_dtype(config)).removeprefix("torch.")
    about = {
        "how": f"{precision}, {'compiled' if should_compile(config) else 'eager'}, packed",
        "parameters": parameter_counts(config)["total"],
        "tokens": int((arrays["example_ids"] > 0).sum()) / BATCHES,
    }
    return step, about, choose_device(options.device)


def hugging_face(options: argparse.Namespace) -> tuple[Callable[[], None], dict, object]:
    """The loop a user of `transformers` writes, on padded rows."""
    from hugging_face_loop import HuggingFaceLoop

    from electra.training.device import choose_device

    dropout = 0.1 if chosen_case(options).architecture == "electra" else 0.0  # as its paper has it
    config, device = configuration(options, dropout), choose_device(options.device)
    autocast, compiled = "bf16" in options.worker, options.worker.endswith("compiled")
    loop = HuggingFaceLoop(config, MASK, device, autocast, compiled)
    arrays = read_batches(options, "padded")
    steps = 0

    def step() -> None:
        nonlocal steps
        input_ids, example_ids, maskable = (
            arrays[name][steps % BATCHES].to(device) for name in ("input_ids", "example_ids", "maskable")
        )
        steps += 1
        loop.step(input_ids, maskable, attention_mask=(example_ids > 0).long())

    how = f"{'bfloat16 autocast' if autocast else 'float32'}, {'compiled' if compiled else 'eager'}"
    about = {
        "how": f"{how}, {loop.discriminator.config._attn_implementation} attention, padded",
        "parameters": sum(p.numel() for p in loop.parameters),
        "tokens": int((arrays["example_ids"] > 0).sum()) / BATCHES,
    }
    return step, about, device


if __name__ == "__main__":
    main()
