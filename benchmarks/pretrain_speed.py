"""Tokens per second and peak memory of one ELECTRA pre-training step: ours beside the plain Hugging Face loop.

Each implementation lives in a process of its own, so that its peak memory is its own; rounds alternate, so that a
machine that slows down slows both. One step is the generator's and the discriminator's forward pass, the backward pass,
clipping and AdamW, with dropout, on full rows of random ids.

    python benchmarks/pretrain_speed.py --preset small --rounds 5 --threads 2 --peers hf,hf-bf16 --json
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from electra.config import PRESETS, PretrainConfig  # noqa: E402

PAD, MASK, FIRST_WORD = 0, 103, 1000  # as in BERT's vocabulary
DIFFERENT_BATCHES = 8


def main() -> None:
    options = read_options()
    if options.worker:
        work(options)
    else:
        compare(options)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small", choices=PRESETS)
    parser.add_argument("--peers", default="hf", help="hf, hf-bf16 (autocast), or both with a comma")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seq-length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="steps a round")
    parser.add_argument("--warmup-steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's choice")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", default="auto", choices=("auto", "on", "off"), help="of ours, as electra pretrain")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"), help="of ours, likewise")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--worker", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


# -- the parent --------------------------------------------------------------------------------------------------------


class Worker:
    """One implementation in its process; it measures when asked."""

    def __init__(self, name: str) -> None:
        command = [sys.executable, __file__, *sys.argv[1:], "--worker", name]
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = self.answer()
        self.seconds: list[float] = []

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def measure(self) -> None:
        """Let it run a round; keep the seconds of a step."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.seconds.append(self.answer()["seconds"])

    def end(self) -> float:
        """Its peak memory in MB."""
        self.process.stdin.close()
        peak = self.answer()["peak_memory_mb"]
        self.process.wait()
        return peak


def compare(options: argparse.Namespace) -> None:
    """Alternate rounds of all implementations and print medians."""
    names = ["electra", *(name for name in options.peers.split(",") if name)]
    workers = [Worker(name) for name in names]  # one after the other: each is warm before the next starts
    for number in range(options.rounds):
        order = workers if number % 2 == 0 else workers[::-1]
        for worker in order:
            worker.measure()
    tokens = options.batch_size * options.seq_length
    speed = {w.name: tokens / statistics.median(w.seconds) for w in workers}
    memory = {w.name: w.end() for w in workers}
    for w in workers:
        spread = f"{tokens / max(w.seconds):,.0f} to {tokens / min(w.seconds):,.0f}"
        print(f"{w.name:8} {speed[w.name]:10,.0f} tokens/s ({spread})  {memory[w.name]:8,.0f} MB  {w.about['how']}")
    ratio = {name: round(speed["electra"] / speed[name], 3) for name in names[1:]}
    memory_ratio = {name: round(memory["electra"] / memory[name], 3) for name in names[1:]}
    print("times as fast as", ratio, " memory, as a share of", memory_ratio)
    if options.json:
        result = {
            "tokens_per_second": round(speed["electra"], 1),
            "peak_memory_mb": round(memory["electra"], 1),
            "ratio": ratio,
            "memory_ratio": memory_ratio,
            "all_tokens_per_second": {name: round(value, 1) for name, value in speed.items()},
            "all_peak_memory_mb": {name: round(value, 1) for name, value in memory.items()},
            "seconds_per_step": {w.name: [round(s, 4) for s in w.seconds] for w in workers},
            "how": {w.name: w.about["how"] for w in workers},
            "parameters": {w.name: w.about["parameters"] for w in workers},
            "settings": {k: v for k, v in vars(options).items() if k not in ("json", "worker")},
            "hardware": hardware() | {"device": workers[0].about["device"], "threads": workers[0].about["threads"]},
            "versions": versions(),
            "commit": commit(),
        }
        print(json.dumps(result))


def hardware() -> dict:
    """The machine, in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
    }


def versions() -> dict:
    found = {name: importlib.metadata.version(name) for name in ("torch", "transformers", "numpy")}
    return {"python": platform.python_version(), **found}


def commit() -> str:
    """The commit measured, with a + where the package was changed since."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "electra", __file__) else "")


# -- the workers -------------------------------------------------------------------------------------------------------


def work(options: argparse.Namespace) -> None:
    """Build, warm up, say so; then run a round for every line that comes, and end with the peak memory."""
    answers, sys.stdout = sys.stdout, sys.stderr
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    from electra.pretrain import choose_device

    device = choose_device(options.device)
    config = replace(
        PRESETS[options.preset],
        init="random", train_batch_size=options.batch_size, micro_batch_size=options.batch_size, device=options.device,
        compile=options.compile, precision=options.precision, threads=options.threads,
    )  # fmt: skip
    config = replace(config, model=with_dropout(config.model))
    build = ours if options.worker == "electra" else hugging_face
    step, about = build(options, config, device)

    def say(**content: object) -> None:
        print(json.dumps(content), file=answers, flush=True)

    def run(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / steps

    run(options.warmup_steps)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    say(**about, device=name, threads=torch.get_num_threads())
    for _ in sys.stdin:
        say(seconds=run(options.steps))
    say(peak_memory_mb=peak_memory(device))


def with_dropout(model):
    """The model with the paper's dropout, which the tiny preset lacks."""
    return replace(model, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1)


def peak_memory(device) -> float:
    """The most memory this process ever held (VmHWM), or that torch held on the GPU; MB."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def random_ids(options: argparse.Namespace, vocab_size: int):
    """Batches of random words, [B, L] each."""
    import torch

    shape = (options.batch_size, options.seq_length)
    return [torch.randint(FIRST_WORD, vocab_size, shape) for _ in range(DIFFERENT_BATCHES)]


def ours(options: argparse.Namespace, config: PretrainConfig, device) -> tuple[Callable[[], None], dict]:
    """The very step `electra pretrain` takes: its objective, optimizer, loop and metrics."""
    import torch

    from electra.interface import Batch
    from electra.model.encoder import compile_parts, compute_in
    from electra.pretrain import build_objective, choose_dtype, should_compile
    from electra.training.memory import keep_freed_memory
    from electra.training.optimizer import build_optimizer
    from electra.training.trainer import Trainer

    dtype = choose_dtype(config)
    objective = build_objective(config, None, SimpleNamespace(mask_id=MASK)).to(device)
    compute_in(objective, dtype)
    if should_compile(config):
        compile_parts(objective)
    batches = []
    for ids in random_ids(options, config.model.vocab_size):
        ones, positions = torch.ones_like(ids), torch.arange(ids.shape[1]).expand_as(ids)
        maskable = (positions > 0) & (positions < ids.shape[1] - 1)
        batches.append(Batch(ids, ones, torch.zeros_like(ids), positions, maskable))

    class Loader:
        seq_length = options.seq_length

        def micro_batches(self, step: int, size: int) -> list[Batch]:
            return [batches[step % len(batches)]]

    keep_freed_memory()
    optimizer = build_optimizer(objective, config)
    trainer = Trainer(objective, optimizer, Loader(), None, config, Path(), device, options.batch_size)
    how = f"{str(dtype).removeprefix('torch.')}, {'compiled' if should_compile(config) else 'eager'}"
    return trainer.train_step, {"how": how, "parameters": count(objective.parameters())}


def hugging_face(options: argparse.Namespace, config: PretrainConfig, device) -> tuple[Callable[[], None], dict]:
    """The loop a user of `transformers` writes: two models, tied embeddings, labels, autocast if asked for."""
    import torch
    from transformers import ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining

    def shape(model) -> ElectraConfig:
        return ElectraConfig(**{name: getattr(model, name) for name in vars(model)})

    generator = ElectraForMaskedLM(shape(config.generator)).to(device)
    discriminator = ElectraForPreTraining(shape(config.model)).to(device)
    discriminator.electra.embeddings = generator.electra.embeddings
    parameters = list(dict.fromkeys([*generator.parameters(), *discriminator.parameters()]))
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, eps=config.adam_epsilon, weight_decay=0.01)
    generator.train()
    discriminator.train()
    batches = random_ids(options, config.model.vocab_size)
    autocast = options.worker == "hf-bf16"
    steps = 0

    def step() -> None:
        nonlocal steps
        input_ids = batches[steps % len(batches)].to(device)
        steps += 1
        attention_mask = torch.ones_like(input_ids)
        is_masked = torch.rand(input_ids.shape, device=device) < config.mask_prob
        is_masked[:, [0, -1]] = False
        labels = input_ids.masked_fill(~is_masked, -100)
        hidden = is_masked & (torch.rand(input_ids.shape, device=device) < config.mask_token_prob)
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            filled = generator(input_ids.masked_fill(hidden, MASK), attention_mask=attention_mask, labels=labels)
            with torch.no_grad():
                probabilities = filled.logits[is_masked].float().softmax(-1)
                samples = torch.multinomial(probabilities, 1).squeeze(1)
            corrupted = input_ids.clone()
            corrupted[is_masked] = samples
            is_replaced = (corrupted != input_ids).long()
            judged = discriminator(corrupted, attention_mask=attention_mask, labels=is_replaced)
            loss = config.gen_weight * filled.loss + config.disc_weight * judged.loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

    attention = discriminator.config._attn_implementation
    how = f"{'bfloat16 autocast' if autocast else 'float32'}, eager, {attention} attention"
    return step, {"how": how, "parameters": count(parameters)}


def count(parameters) -> int:
    return sum(p.numel() for p in parameters)


if __name__ == "__main__":
    main()
